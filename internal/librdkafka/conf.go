package librdkafka

// #include <stdlib.h>
//
// // The part of librdkafka's rdkafka.h that is used here. Weak: cgo links this file
// // once without the library, to look at its symbols.
// typedef struct rd_kafka_conf_s kuconf_conf_t;
// typedef struct rd_kafka_s kuconf_client_t;
// #define KUCONF __attribute__((weak))
// extern kuconf_conf_t *rd_kafka_conf_new(void) KUCONF;
// extern void rd_kafka_conf_destroy(kuconf_conf_t *conf) KUCONF;
// extern int rd_kafka_conf_set(kuconf_conf_t *conf, const char *name, const char *value, char *err, size_t size) KUCONF;
// extern int rd_kafka_conf_get(const kuconf_conf_t *conf, const char *name, char *dest, size_t *size) KUCONF;
// extern kuconf_client_t *rd_kafka_new(int type, kuconf_conf_t *conf, char *err, size_t size) KUCONF;
// extern void rd_kafka_destroy(kuconf_client_t *client) KUCONF;
//
// enum { kuconf_ok = 0, kuconf_producer = 0 }; // RD_KAFKA_CONF_OK, RD_KAFKA_PRODUCER
//
// // kuconf_read sets a value and returns what was read of it, to be freed: "" where the
// // property is unset by it, NULL where the value is refused.
// static char *kuconf_read(const char *name, const char *value) {
//   kuconf_conf_t *conf = rd_kafka_conf_new();
//   char err[512], *read = NULL;
//   size_t size = 0;
//   if (rd_kafka_conf_set(conf, name, value, err, sizeof(err)) == kuconf_ok) {
//     if (rd_kafka_conf_get(conf, name, NULL, &size) != kuconf_ok)
//       size = 0;
//     read = calloc(1, size + 1);
//     if (read && size > 0)
//       rd_kafka_conf_get(conf, name, read, &size);
//   }
//   rd_kafka_conf_destroy(conf);
//   return read;
// }
//
// // The rest wraps single calls: what Go calls has this file's prefix.
// static kuconf_conf_t *kuconf_new(void) { return rd_kafka_conf_new(); }
// static void kuconf_destroy(kuconf_conf_t *conf) { rd_kafka_conf_destroy(conf); }
// static int kuconf_set(kuconf_conf_t *conf, const char *name, const char *value) {
//   char err[512];
//   return rd_kafka_conf_set(conf, name, value, err, sizeof(err)) == kuconf_ok;
// }
//
// // kuconf_try makes a producer and destroys it. It takes conf over, and reports whether
// // librdkafka made it; else err says why.
// static int kuconf_try(kuconf_conf_t *conf, char *err, size_t size) {
//   kuconf_client_t *client = rd_kafka_new(kuconf_producer, conf, err, size);
//   if (!client) {
//     rd_kafka_conf_destroy(conf);
//     return 0;
//   }
//   rd_kafka_destroy(client);
//   return 1;
// }
import "C"

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	_ "github.com/confluentinc/confluent-kafka-go/v2/kafka" // links librdkafka
)

// errZeroByte is about a text that librdkafka would read up to that byte only.
var errZeroByte = errors.New("it has a zero byte, where librdkafka's texts end")

// Normalize returns a property's value as librdkafka reads it, in librdkafka's own
// spelling: "-1" of "ALL" for acks, "false" of "F", "0" of "0x0". It asks librdkafka,
// which is set the value and read back. It takes about 13 µs and connects to nothing.
//
// The error says what is allowed, and has nothing of the value. The name is one that
// [Find] knows.
func Normalize(name, value string) (string, error) {
	p, ok := Find(name)
	switch {
	case !ok:
		return "", errors.New(Unknown(name))
	case strings.ContainsRune(value, 0):
		return "", errZeroByte
	}
	cname, cvalue := C.CString(name), C.CString(value)
	defer C.free(unsafe.Pointer(cname))
	defer C.free(unsafe.Pointer(cvalue))
	read := C.kuconf_read(cname, cvalue)
	defer C.free(unsafe.Pointer(read)) // NULL is fine
	if read == nil {
		return "", p.expected(value)
	}
	normal := C.GoString(read)
	if !p.knows(normal) {
		return "", p.expected(value)
	}
	return normal, nil
}

// knows reports whether this build does something with a value that the library has
// read without complaint.
func (p Property) knows(normal string) bool {
	switch known := texts[p.Canonical]; {
	case known != nil:
		return slices.Contains(known, normal)
	case p.kind == typeFlags: // " " is none of them
		return normal != ""
	case p.kind == typeFloat: // "nan" is in every range
		f, err := strconv.ParseFloat(normal, 64)
		return err == nil && !math.IsNaN(f)
	}
	return true
}

// Misread reports whether a number is written so that librdkafka reads another one than a
// person would, or another notation: "5s" is 5, "1e3" is 1, "010" is 8, and a number
// beyond 32 bits is what is left of it there.
func (p Property) Misread(value, normal string) bool {
	switch value = strings.TrimSpace(value); {
	case p.kind == typeInteger:
		return value != normal && strings.ContainsAny(value, "0123456789")
	case p.kind == typeFloat:
		f, err := strconv.ParseFloat(value, 64)
		read, _ := strconv.ParseFloat(normal, 64)
		return err != nil || math.Abs(f-read) > f/1000
	}
	return false
}

// Together returns what librdkafka has against properties that are good each for
// itself, "" for nothing. It makes a producer, which takes 0.3 ms, and ends it. The
// caller leaves out what would connect or read files: bootstrap.servers, ssl.* and the
// log-in by tokens.
func Together(properties map[string]string) string {
	conf := C.kuconf_new()
	set := func(name, value string) bool {
		cname, cvalue := C.CString(name), C.CString(value)
		defer C.free(unsafe.Pointer(cname))
		defer C.free(unsafe.Pointer(cvalue))
		return C.kuconf_set(conf, cname, cvalue) == 1
	}
	for name, value := range properties {
		if !set(name, value) {
			C.kuconf_destroy(conf)
			return fmt.Sprintf("%s is refused", name)
		}
	}
	set("log_level", "0") // it would warn on standard error
	var buffer [512]C.char
	if C.kuconf_try(conf, &buffer[0], C.size_t(len(buffer))) == 1 {
		return ""
	}
	return C.GoString(&buffer[0])
}
