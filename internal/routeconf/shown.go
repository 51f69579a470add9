package routeconf

// ShownKeys are the keys of a configuration whose values may be shown to whoever may see the route.
var ShownKeys = []string{
	"topic", "partition", "key", "jsonkey", "headerprefix", "overrides", "topics", "delivery", "timeout_ms", "max_body_bytes", "require",
	"on_permanent_error", "batch", "transactional", "tombstone_on_delete", "record_headers", "cloudevents", "webhook_origins", "envelope",
	"envelope_headers", "form", "json", "idempotency",
}

// HiddenKeys are all others: in their values are secrets and addresses.
var HiddenKeys = []string{"config", "transport_url", "schema", "key_schema", "dialects"}
