package gateway

import (
	"strings"
	"testing"
)

func TestMatching(t *testing.T) {
	routes := []Route{
		{ID: "all", URIs: []string{"/*"}},
		{ID: "exact", URIs: []string{"/a/b"}},
		{ID: "short", URIs: []string{"/a/*"}},
		{ID: "long", URIs: []string{"/a/b/*", "/other"}},
		{ID: "post", URIs: []string{"/m"}, Methods: []string{"POST", "PUT"}},
		{ID: "host", URIs: []string{"/*"}, Hosts: []string{"Foo.org"}},
		{ID: "wild", URIs: []string{"/*"}, Hosts: []string{"*.foo.org", "*.bar.org"}},
		{ID: "longwild", URIs: []string{"/*"}, Hosts: []string{"*.x.foo.org"}},
		{ID: "hostpost", URIs: []string{"/m"}, Hosts: []string{"foo.org"}, Methods: []string{"POST"}},
		{ID: "off", URIs: []string{"/a/b/c"}, Disabled: true},
		{ID: "a-low", URIs: []string{"/prio"}, Priority: 1},
		{ID: "b-high", URIs: []string{"/prio"}, Priority: 2},
	}
	tests := []struct{ name, method, host, path, want string }{
		{"an exact path wins over a prefix", "GET", "h", "/a/b", "exact"},
		{"a longer prefix wins over a shorter one", "GET", "h", "/a/b/c", "long"},
		{"a prefix matches its own beginning", "GET", "h", "/a/", "short"},
		{"a prefix with a slash does not match without it", "GET", "h", "/a", "all"},
		{"each of several paths matches", "GET", "h", "/other", "long"},
		{"a method in the list matches", "PUT", "h", "/m", "post"},
		{"a method that is not falls through to a less specific route", "GET", "h", "/m", "all"},
		{"a host wins over any path without one", "GET", "foo.org", "/a/b", "host"},
		{"a host's paths are ordered among themselves", "POST", "foo.org", "/m", "hostpost"},
		{"a wildcard matches any depth below", "GET", "a.b.foo.org", "/", "wild"},
		{"a wildcard does not match the name itself", "GET", "bar.org", "/", "all"},
		{"a longer wildcard wins over a shorter one", "GET", "a.x.foo.org", "/", "longwild"},
		{"each of several hosts matches", "GET", "a.bar.org", "/", "wild"},
		{"a disabled route does not match", "GET", "h", "/a/b/c", "long"},
		{"of two the same the higher priority wins", "GET", "h", "/prio", "b-high"},
	}
	g := New(nil, Options{})
	for _, r := range routes {
		put(t, g, r)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := g.table.Load().match(tt.method, tt.host, tt.path)
			if got == nil || got.ID != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
	t.Run("a deleted route does not match", func(t *testing.T) {
		if !g.DeleteRoute("exact") || g.DeleteRoute("exact") {
			t.Error("it is deleted once")
		}
		if got := g.table.Load().match("GET", "h", "/a/b"); got.ID != "short" {
			t.Errorf("got %s", got.ID)
		}
	})
	t.Run("without any route nothing matches", func(t *testing.T) {
		if got := New(nil, Options{}).table.Load().match("GET", "h", "/"); got != nil {
			t.Errorf("got %v", got)
		}
	})
}

func TestRoutesThatAreRefused(t *testing.T) {
	conf := []ConfEntry{{"p", ""}}
	tests := []struct {
		name  string
		route Route
		want  string
	}{
		{"without an ID", Route{URIs: []string{"/"}, Conf: conf}, "id"},
		{"with a slash in the ID", Route{ID: "a/b", URIs: []string{"/"}, Conf: conf}, "id"},
		{"without a path", Route{ID: "1", Conf: conf}, "uri"},
		{"with a star inside the path", Route{ID: "1", URIs: []string{"/a/*/b"}, Conf: conf}, "uri"},
		{"with an unknown method", Route{ID: "1", URIs: []string{"/"}, Methods: []string{"get"}, Conf: conf}, "methods"},
		{"with a host that is none", Route{ID: "1", URIs: []string{"/"}, Hosts: []string{"a b"}, Conf: conf}, "host"},
		{"with an unknown phase", Route{ID: "1", URIs: []string{"/"}, Phase: "cors", Conf: conf}, "cors"},
		{"without plugins", Route{ID: "1", URIs: []string{"/"}}, "conf"},
		{"with a plugin without a name", Route{ID: "1", URIs: []string{"/"}, Conf: []ConfEntry{{}}}, "name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := New(nil, Options{}).PutRoute(tt.route)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
