// Command bom writes what is linked into a binary of kafkaupstream: a CycloneDX document for scanners, and the notices that the
// licences want to go with the binary. Go modules are read from the binary itself, and their licences from the module cache; the
// C libraries are in a table, which a test holds against the archive that is linked. release.sh and the Dockerfile call it.
package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// component is something that is linked in.
type component struct {
	name, version string
	licence       string // of SPDX's list
	purl          string
	cpe           string // vendor:product, where vulnerabilities are listed under it
	notices       string
}

func main() {
	binary := flag.String("binary", "", "the binary to read")
	version := flag.String("version", "", "its version")
	notices := flag.String("notices", "", "where the notices go")
	sbom := flag.String("sbom", "", "where the CycloneDX document goes")
	flag.Parse()
	info, err := buildinfo.ReadFile(*binary)
	if err == nil {
		err = write(info, *version, *notices, *sbom)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bom:", err)
		os.Exit(1)
	}
}

// write writes both files, from the folder of the module.
func write(info *buildinfo.BuildInfo, version, notices, sbom string) error {
	all, err := components(info)
	if err != nil {
		return err
	}
	made, err := strconv.ParseInt(cmp.Or(os.Getenv("SOURCE_DATE_EPOCH"), "0"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	document, err := json.MarshalIndent(cyclonedx(all, version, time.Unix(made, 0)), "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(sbom, append(document, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(notices, noticesOf(all), 0o644)
}

// components lists all that is linked in: the C libraries, Go, and the modules.
func components(info *buildinfo.BuildInfo) ([]component, error) {
	all, err := libraries()
	if err != nil {
		return nil, err
	}
	goroot, err := output("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	toolchain := component{name: "go", version: strings.TrimPrefix(info.GoVersion, "go"), cpe: "golang:go"}
	toolchain.purl = "pkg:golang/std@" + toolchain.version
	if err := toolchain.read(goroot, "Go"); err != nil {
		return nil, err
	}
	all = append(all, toolchain)
	for _, m := range info.Deps {
		dir, err := output("go", "list", "-m", "-f", "{{.Dir}}", m.Path)
		if err != nil {
			return nil, err
		}
		c := component{name: m.Path, version: m.Version, purl: "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")}
		if err := c.read(dir, m.Path); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// output is the first line that a command prints.
func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// read reads the notices in a folder, and which licence it is.
func (c *component) read(dir, what string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := strings.ToUpper(strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())))
		if e.IsDir() || !slices.Contains([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"}, name) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		c.notices += string(text) + "\n"
		c.licence = cmp.Or(c.licence, licenceOf(string(text)))
	}
	if c.licence == "" {
		return fmt.Errorf("%s: no licence that is known in %s", what, dir)
	}
	return nil
}

// licenceOf is the licence that a text is, in SPDX's words: of those that modules here have. Empty: another one.
func licenceOf(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, l := range []struct{ id, words string }{
		{"Apache-2.0", "Apache License Version 2.0"},
		{"BSD-3-Clause", "Neither the name"},
		{"BSD-3-Clause", "name of the copyright holder nor"},
		{"BSD-2-Clause", "Redistribution and use in source and binary forms"},
		{"MIT-0", "MIT No Attribution"},
		{"MIT", "Permission is hereby granted, free of charge"},
	} {
		if strings.Contains(text, l.words) {
			return l.id
		}
	}
	return ""
}

// noticesOf is the text of THIRD_PARTY_NOTICES.
func noticesOf(all []component) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "What is linked into kafkaupstream, and under which licences. The list is followed by the texts.\n\n")
	for _, c := range all {
		fmt.Fprintf(&b, "  %s %s  %s\n", c.name, c.version, c.licence)
	}
	for _, c := range all {
		fmt.Fprintf(&b, "\n%s\n%s %s (%s)\n\n%s\n", strings.Repeat("=", 80), c.name, c.version, c.licence, strings.TrimSpace(c.notices))
	}
	return b.Bytes()
}
