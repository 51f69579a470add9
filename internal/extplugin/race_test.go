//go:build race

package extplugin

const raceEnabled = true
