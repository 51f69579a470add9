package librdkafka

// #include "binding.h"
//
// // Weak: where librdkafka is linked dynamically it brings its own.
// extern const char *OpenSSL_version(int type) __attribute__((weak));
// static const char *ku_openssl_version(void) { return OpenSSL_version ? OpenSSL_version(0) : ""; }
import "C"

// Linked is the C libraries that are linked in.
type Linked struct {
	Librdkafka string // its version, such as "2.15.0"
	Features   string // librdkafka's builtin.features, separated by commas: "gzip,snappy,ssl,…"
	// OpenSSL is its name, version and date, such as "OpenSSL 3.5.6 7 Apr 2026"; "" where it does not tell.
	OpenSSL string
}

// LinkedIn asks the libraries.
func LinkedIn() Linked {
	conf := C.rd_kafka_conf_new()
	defer C.rd_kafka_conf_destroy(conf)
	return Linked{
		Librdkafka: C.GoString(C.rd_kafka_version_str()), Features: read(conf, "builtin.features"),
		OpenSSL: C.GoString(C.ku_openssl_version()),
	}
}
