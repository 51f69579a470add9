package librdkafka

// #include <stddef.h>
//
// // Weak, as in conf.go. OpenSSL may be missing also later: where librdkafka is linked dynamically it brings its own.
// typedef struct rd_kafka_conf_s kulinked_conf_t;
// #define KULINKED __attribute__((weak))
// extern const char *rd_kafka_version_str(void) KULINKED;
// extern kulinked_conf_t *rd_kafka_conf_new(void) KULINKED;
// extern void rd_kafka_conf_destroy(kulinked_conf_t *conf) KULINKED;
// extern int rd_kafka_conf_get(const kulinked_conf_t *conf, const char *name, char *dest, size_t *size) KULINKED;
// extern const char *OpenSSL_version(int type) KULINKED;
//
// enum { kulinked_ok = 0, kulinked_openssl = 0 }; // RD_KAFKA_CONF_OK, OPENSSL_VERSION
//
// static const char *kulinked_version(void) { return rd_kafka_version_str(); }
// static const char *kulinked_openssl_version(void) { return OpenSSL_version ? OpenSSL_version(kulinked_openssl) : ""; }
// static void kulinked_features(char *dest, size_t size) {
//   kulinked_conf_t *conf = rd_kafka_conf_new();
//   if (rd_kafka_conf_get(conf, "builtin.features", dest, &size) != kulinked_ok)
//     dest[0] = 0;
//   rd_kafka_conf_destroy(conf);
// }
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
	var features [512]C.char
	C.kulinked_features(&features[0], C.size_t(len(features)))
	return Linked{
		Librdkafka: C.GoString(C.kulinked_version()), Features: C.GoString(&features[0]), OpenSSL: C.GoString(C.kulinked_openssl_version()),
	}
}
