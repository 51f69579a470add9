package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/nginxuri"
)

const (
	adminPath    = "/apisix/admin"
	routesPath   = adminPath + "/routes"
	maxAdminBody = 1536 << 10 // MAX_REQ_BODY of apisix/admin/init.lua
)

func isAdmin(path string) bool { return path == adminPath || strings.HasPrefix(path, adminPath+"/") }

type errorMsg struct {
	Message string `json:"error_msg"`
}

// adminRoute is a route as APISIX 3 answers it.
type adminRoute struct {
	Key      string         `json:"key"`
	Value    map[string]any `json:"value"`
	Created  uint64         `json:"createdIndex,omitempty"`
	Modified uint64         `json:"modifiedIndex,omitempty"`
}

func routeKey(id string) string { return "/apisix/routes/" + id }

// serveAdmin serves the Admin API. There is no key to guard it, so it takes no request that a web page could have made:
// none from a page (Origin), and none under a name that somebody else's DNS gives to this machine (Host); and none of another
// machine, since routes may have passwords in them.
func (g *Gateway) serveAdmin(w http.ResponseWriter, r *http.Request, path string) {
	if r.Header.Get("Origin") != "" || !isLoopback(nginxuri.HostName(r.Host)) || !remoteAddr(r.RemoteAddr).IsLoopback() {
		writeJSON(w, http.StatusForbidden,
			errorMsg{"the Admin API of this development gateway is for this machine, and not for web pages"})
		return
	}
	id, ok := strings.CutPrefix(path, routesPath)
	if !ok || id != "" && id[0] != '/' {
		writeJSON(w, http.StatusNotFound, errorMsg{"Unsupported resource type: " +
			strings.TrimPrefix(strings.TrimPrefix(path, adminPath), "/")})
		return
	}
	id = strings.Trim(id, "/")
	switch r.Method {
	case http.MethodGet:
		g.adminGet(w, id)
	case http.MethodPut:
		g.adminPut(w, r, id)
	case http.MethodDelete:
		g.adminDelete(w, id)
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE")
		writeJSON(w, http.StatusMethodNotAllowed, errorMsg{"not supported `" + r.Method + "` method for route"})
	}
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

func (g *Gateway) adminGet(w http.ResponseWriter, id string) {
	if id == "" {
		list := []adminRoute{}
		for _, live := range g.list() {
			list = append(list, live.admin())
		}
		writeJSON(w, http.StatusOK, map[string]any{"list": list, "total": len(list)})
		return
	}
	live := g.get(id)
	if live == nil {
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "Key not found"})
		return
	}
	writeJSON(w, http.StatusOK, live.admin())
}

func (r *liveRoute) admin() adminRoute {
	return adminRoute{Key: routeKey(r.ID), Value: r.value, Created: r.created, Modified: r.modified}
}

func (g *Gateway) adminDelete(w http.ResponseWriter, id string) {
	switch {
	case id == "":
		writeJSON(w, http.StatusBadRequest, errorMsg{"missing route id"})
	case !g.DeleteRoute(id):
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "Key not found"})
	default:
		writeJSON(w, http.StatusOK, map[string]string{"key": routeKey(id), "deleted": "1"})
	}
}

func (g *Gateway) adminPut(w http.ResponseWriter, r *http.Request, id string) {
	value, err := readObject(r.Body)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, errorMsg{"invalid request body: " + err.Error()})
		return
	}
	route, err := parseRoute(id, value)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, errorMsg{err.Error()})
		return
	}
	value["id"] = route.ID
	live, created, err := g.put(route, value)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, errorMsg{configError(err).Error()})
		return
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	writeJSON(w, status, adminRoute{Key: routeKey(live.ID), Value: live.value})
}

func readObject(body io.Reader) (map[string]any, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxAdminBody+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxAdminBody {
		return nil, fmt.Errorf("request size is greater than the maximum size %d allowed", maxAdminBody)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value map[string]any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	if value == nil {
		return nil, errors.New("a route is a JSON object")
	}
	return value, nil
}
