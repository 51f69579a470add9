package main

import (
	"strings"
	"time"
)

// document is the part of a CycloneDX 1.6 document that is written here (https://cyclonedx.org/docs/1.6/json/).
type document struct {
	Format     string   `json:"bomFormat"`
	Spec       string   `json:"specVersion"`
	Version    int      `json:"version"`
	Metadata   metadata `json:"metadata"`
	Components []part   `json:"components"`
}

type metadata struct {
	Timestamp string `json:"timestamp"`
	Component part   `json:"component"`
}

type part struct {
	Type     string    `json:"type"`
	Ref      string    `json:"bom-ref"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Licences []licence `json:"licenses"`
	CPE      string    `json:"cpe,omitempty"`
	PURL     string    `json:"purl"`
}

type licence struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

// cyclonedx describes the version of kafkaupstream that was made at a time, and what is in it.
func cyclonedx(all []component, version string, made time.Time) document {
	own := component{name: "kafkaupstream", version: version, licence: "Apache-2.0", purl: "pkg:golang/github.com/kafkaupstream/kafkaupstream@v" + version}
	d := document{Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: metadata{made.UTC().Format(time.RFC3339), own.part("application")}}
	for _, c := range all {
		d.Components = append(d.Components, c.part("library"))
	}
	return d
}

func (c component) part(kind string) part {
	p := part{Type: kind, Ref: c.purl, Name: c.name, Version: c.version, PURL: c.purl, Licences: make([]licence, 1)}
	p.Licences[0].License.ID = c.licence
	if c.cpe != "" {
		p.CPE = "cpe:2.3:a:" + c.cpe + ":" + strings.TrimPrefix(c.version, "v") + ":*:*:*:*:*:*:*"
	}
	return p
}
