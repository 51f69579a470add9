package apisixroute

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestObjectsNameIsOneOfKubernetes(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"orders", "orders.a", "orders_a", "orders-a", "ORDERS", "Orders", "-", "_", "é", "a.", strings.Repeat("x", 63), strings.Repeat("x", 64), strings.Repeat("x.", 32)} {
		name := objectName(id)
		if len(name) > maxObjectName || !objectNames.MatchString(name) {
			t.Errorf("%q: %q", id, name)
		}
		if before, twice := seen[name]; twice {
			t.Errorf("%q and %q are both %q", before, id, name)
		}
		seen[name] = id
	}
	if objectName("orders") != "orders" {
		t.Error(objectName("orders"))
	}
}

// What is written has what was said, whatever characters are in it.
func TestRouteForKubernetesIsReadAsItWasWritten(t *testing.T) {
	value := "{\"topic\":\"o'rders: # \\u0000\",\"k\":\"$consumer_name\"}"
	r := Route{ID: "orders", URIs: []string{"/o'rders: #/*"}, Hosts: []string{"*.shop.example"}, Methods: []string{"POST"}, Phase: PostReq, Plugin: "kafkaupstream", Value: value}
	text, err := r.Kubernetes()
	if err != nil {
		t.Fatal(err)
	}
	var objects []map[string]any
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var object map[string]any
		err := dec.Decode(&object)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
	if len(objects) != 2 {
		t.Fatalf("%d objects: %s", len(objects), text)
	}
	plugins := objects[0]["spec"].(map[string]any)["plugins"].([]any)[0].(map[string]any)
	entry := plugins["config"].(map[string]any)["conf"].([]any)[0].(map[string]any)
	rule := objects[1]["spec"].(map[string]any)["http"].([]any)[0].(map[string]any)
	if plugins["name"] != PostReq || plugins["enable"] != true || entry["value"] != value || rule["plugin_config_name"] != "orders" ||
		rule["match"].(map[string]any)["paths"].([]any)[0] != r.URIs[0] {
		t.Errorf("%s", text)
	}
}
