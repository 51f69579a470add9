package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
)

// rdkafka is where the static librdkafka and the notices of its parts are, below the module confluent-kafka-go.
const (
	confluent = "github.com/confluentinc/confluent-kafka-go/v2"
	rdkafka   = "kafka/librdkafka_vendor"
)

// library is a C library in the static librdkafka, or what zig links to it.
type library struct {
	component
	file string // its licence in licences; empty: it is among librdkafka's notices
	mark string // what the archive has of its version; empty: nothing
}

// linked are the C libraries. librdkafka's build is without Cyrus SASL: PLAIN, SCRAM and OAUTHBEARER are its own code.
var linked = []library{
	{component{name: "librdkafka", version: "2.15.0", licence: "BSD-2-Clause", cpe: "confluent:librdkafka"}, "", ""},
	{component{name: "openssl", version: "3.5.6", licence: "Apache-2.0", cpe: "openssl:openssl"}, "openssl.txt", "OpenSSL 3.5.6 "},
	{component{name: "curl", version: "8.20.0", licence: "curl", cpe: "haxx:curl"}, "curl.txt", "8.20.0\x00"},
	{component{name: "zlib", version: "1.3.2", licence: "Zlib", cpe: "zlib:zlib"}, "zlib.txt", " deflate 1.3.2 Copyright"},
	{component{name: "zstd", version: "1.5.7", licence: "BSD-3-Clause", cpe: "facebook:zstandard"}, "zstd.txt", "1.5.7\x00"},
	{component{name: "lz4", version: "1.9.4", licence: "BSD-2-Clause", cpe: "lz4_project:lz4"}, "", "1.9.4\x00"},
	{component{name: "cjson", version: "1.7.19", licence: "MIT", cpe: "davegamble:cjson"}, "", ""},
	{component{name: "musl", version: "1.2.5", licence: "MIT", cpe: "musl-libc:musl"}, "musl.txt", ""},
	{component{name: "zig", version: "0.17.1", licence: "MIT"}, "zig.txt", ""},
}

//go:embed licenses
var licences embed.FS

// libraries are the C libraries with their notices.
func libraries() ([]component, error) {
	dir, err := output("go", "list", "-m", "-f", "{{.Dir}}", confluent)
	if err != nil {
		return nil, err
	}
	bundle, err := os.ReadFile(filepath.Join(dir, rdkafka, "LICENSES.txt"))
	if err != nil {
		return nil, err
	}
	var all []component
	for _, l := range linked {
		c := l.component
		c.purl = fmt.Sprintf("pkg:generic/%s@%s", c.name, c.version)
		switch {
		case c.name == "librdkafka":
			c.notices = string(bundle)
		case l.file == "":
			c.notices = "Its licence is among those of librdkafka, above."
		default:
			text, err := licences.ReadFile("licenses/" + l.file)
			if err != nil {
				return nil, err
			}
			c.notices = string(text)
		}
		all = append(all, c)
	}
	return all, nil
}
