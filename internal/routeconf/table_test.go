package routeconf

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
)

// eachKey calls f with each key and its path, and how its value stands in a configuration.
func eachKey(keys []Key, f func(k Key, path string, member func(value string) string)) {
	for _, k := range keys {
		f(k, k.Name, func(value string) string { return fmt.Sprintf("%q: %s", k.Name, value) })
		for _, below := range k.Below {
			f(below, k.Name+"."+below.Name, func(value string) string { return fmt.Sprintf("%q: {%q: %s}", k.Name, below.Name, value) })
		}
	}
}

// lint reads a configuration to which members, as JSON, have been added.
func lint(t *testing.T, members string) (*Route, Findings) {
	t.Helper()
	conf := map[string]any{"config": map[string]string{"bootstrap.servers": "kafka:9092"}, "topic": "t"}
	var added map[string]any
	if err := json.Unmarshal([]byte("{"+members+"}"), &added); err != nil {
		t.Fatalf("%s: %v", members, err)
	}
	if added["transport_url"] != nil {
		delete(conf, "config")
	}
	maps.Copy(conf, added)
	text, err := json.Marshal(conf)
	if err != nil {
		t.Fatal(err)
	}
	return Lint(text, Limits{})
}

func TestEachKeysExampleIsValidAndHasTheKey(t *testing.T) {
	eachKey(Keys(), func(k Key, path string, _ func(string) string) {
		if _, found := lint(t, k.Example); len(found.Problems) > 0 {
			t.Errorf("%s: %s: %v", path, k.Example, found.Problems)
		}
		for name := range strings.SplitSeq(path, ".") {
			if !strings.Contains(k.Example, fmt.Sprintf("%q:", name)) {
				t.Errorf("%s: its example has no %s", path, name)
			}
		}
	})
}

func TestEachDefaultIsWhatAConfigurationWithoutTheKeyHas(t *testing.T) {
	eachKey(Keys(), func(k Key, path string, member func(string) string) {
		if k.Default == "" || !json.Valid([]byte(k.Default)) {
			return // there is none, or it is in words
		}
		without := ""
		if outer, _, below := strings.Cut(path, "."); below && outer == "schema" {
			return // a schema of nothing but a default is none: see below
		} else if below {
			without = fmt.Sprintf("%q: {}", outer)
		}
		want, _ := lint(t, without)
		got, found := lint(t, member(k.Default))
		if len(found.Problems) > 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s gives %+v, without it it is %+v (%v)", path, k.Default, got, want, found.Problems)
		}
	})
	const subject = `"registry": "https://registry:8081", "subject": "s"`
	for _, name := range []string{"format", "version"} {
		k := schemaKeys[schemaKeys.index(name)].Key
		want, _ := lint(t, `"schema": {`+subject+`}`)
		got, found := lint(t, fmt.Sprintf(`"schema": {%s, %q: %s}`, subject, name, k.Default))
		if len(found.Problems) > 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("schema.%s: %s gives %+v, without it it is %+v (%v)", name, k.Default, got.Schema, want.Schema, found.Problems)
		}
	}
}

// The console shows a route to whoever may see it.
func TestKeysWithSecretsAreHidden(t *testing.T) {
	for name, want := range map[string]bool{
		"config": false, "transport_url": false, "schema": false, "key_schema": false,
		"topic": true, "record_headers": true, "idempotency": true,
	} {
		if shown, known := Shown(name); shown != want || !known {
			t.Errorf("%s: shown %v, known %v", name, shown, known)
		}
	}
	if shown, known := Shown("topix"); shown || known {
		t.Error("an unknown key is shown or known")
	}
}
