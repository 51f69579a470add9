package console

import (
	"encoding/json"
	"errors"
	"net/http"
)

// maxChange bounds what a page sends to change something, in bytes.
const maxChange = 1 << 20

// change is something that the page changes in dev, by a POST of a JSON document. The error says what is wrong with it.
type change func(body *json.Decoder) error

// change returns what the page may change at a name below Path; nil: nothing.
func (c *Console) change(name string) change {
	switch {
	case name == "broker" && c.options.Broker != nil:
		return c.changeBroker
	case name == "route" && c.options.PutRoute != nil:
		return c.changeRoute
	}
	return nil
}

// serveChange serves the console's own page and nobody else: a program has dev's flags and the Admin API.
func serveChange(w http.ResponseWriter, r *http.Request, do change) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		http.Error(w, "only POST is allowed here", http.StatusMethodNotAllowed)
	case !ownPage(r):
		http.Error(w, "only the console's own page may change something here", http.StatusForbidden)
	default:
		if err := do(json.NewDecoder(http.MaxBytesReader(w, r.Body, maxChange))); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// changeBroker takes dev's broker away or brings it back: {"away": true}.
func (c *Console) changeBroker(body *json.Decoder) error {
	var wanted struct {
		Away *bool `json:"away"`
	}
	if err := body.Decode(&wanted); err != nil {
		return err
	}
	if wanted.Away == nil {
		return errors.New(`expected {"away": true} or {"away": false}`)
	}
	if err := c.options.Broker.SetAway(*wanted.Away); err != nil {
		return err
	}
	c.Changed()
	return nil
}

// Edit is a route as the page's form has it.
type Edit struct {
	ID   string   `json:"id"`
	URIs []string `json:"uris"`
	// Conf is the text of the configuration. What of the route's is never shown (Route.Hidden) stays, unless it is in the text.
	Conf string `json:"conf"`
	// New says that there is to be no route with that ID yet.
	New bool `json:"new"`
}

func (c *Console) changeRoute(body *json.Decoder) error {
	var edit Edit
	if err := body.Decode(&edit); err != nil {
		return err
	}
	return c.options.PutRoute(edit)
}
