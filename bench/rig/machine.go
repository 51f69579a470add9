package rig

// Machine is what numbers depend on.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Go     string `json:"go"`
	Kernel string `json:"kernel"`
	// Load is the load average of the minute before. What else a machine does is in the numbers.
	Load float64 `json:"load"`
}

// Busy reports whether the machine was at work already: its numbers are not to be held against others.
func (m Machine) Busy() bool { return m.Load > float64(m.Cores)/4 }
