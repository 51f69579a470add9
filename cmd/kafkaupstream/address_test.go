package main

import (
	"strings"
	"testing"
)

// Each flag with an address, and how it is called.
var addressFlags = map[string]func(address string) (string, error){
	"dev --listen": func(address string) (string, error) {
		env, _, _ := fakeProcess(nil, "--listen", address)
		o, err := readDevOptions(env)
		return o.listen, err
	},
	"dev --admin": func(address string) (string, error) {
		env, _, _ := fakeProcess(nil, "--admin", address)
		o, err := readDevOptions(env)
		return o.admin, err
	},
	"serve --listen": func(address string) (string, error) {
		env, _, _ := fakeProcess(nil, "-f", "r", "--listen", address)
		o, err := readServeOptions(env)
		return o.listen, err
	},
	"serve --admin": func(address string) (string, error) {
		env, _, _ := fakeProcess(nil, "-f", "r", "--admin", address)
		o, err := readServeOptions(env)
		return o.admin, err
	},
	"run --admin": func(address string) (string, error) {
		env, _, _ := fakeProcess(map[string]string{"APISIX_LISTEN_ADDRESS": "unix:/a.sock"}, "--admin", address)
		o, err := readRunOptions(env)
		return o.admin, err
	},
}

func TestAddressesMeanTheSameInEachFlag(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"9091", "127.0.0.1:9091"},
		{":9091", "127.0.0.1:9091"},
		{"0", "127.0.0.1:0"},
		{"0.0.0.0:9091", "0.0.0.0:9091"},
		{"[::]:9091", "[::]:9091"},
		{"[::1]:0", "[::1]:0"},
		{"localhost:80", "localhost:80"},
		{"localhost:0080", "localhost:80"},
		{"host", ""},
		{"70000", ""},
		{"-1", ""},
		{"127.0.0.1:http", ""},
		{"1.2.3.4:", ""},
		{"a:b:c", ""},
		{"::1:9091", ""},
		{":", ""},
	} {
		for name, read := range addressFlags {
			got, err := read(c.given)
			if (err == nil) != (c.want != "") || err == nil && got != c.want {
				t.Errorf("%s %s: got %q, %v; want %q", name, c.given, got, err, c.want)
			}
		}
	}
	for name, read := range addressFlags {
		const socket = "unix:/run/kafkaupstream.sock"
		if got, err := read(socket); (err == nil) != strings.HasPrefix(name, "serve --listen") || err == nil && got != socket {
			t.Errorf("%s %s: got %q, %v", name, socket, got, err)
		}
	}
}

func TestAddressThatIsAHostAloneLacksAPort(t *testing.T) {
	if _, err := parseAddress("localhost"); err == nil || !strings.HasSuffix(err.Error(), "or host:port") {
		t.Error(err)
	}
}
