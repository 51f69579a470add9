// Package secrets resolves references to secrets in the values of librdkafka
// properties, so that a route's configuration, which APISIX keeps in etcd and
// shows in its Admin API, holds no password: "$env://NAME" is an environment
// variable of this process, "$file://NAME" a file below the secrets directory.
//
// It is not for keeping, caching or redacting secrets: it reads anew each time,
// and what it returns is the caller's to hide. A configuration's parser calls
// [Check]; what makes a connection calls [Resolver.Resolve]. HTTP clients call
// [WithoutURL], since net/http quotes the whole URL in its errors.
package secrets
