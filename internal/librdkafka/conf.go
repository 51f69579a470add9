package librdkafka

// #include "binding.h"
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
// which is set the value and read back. It takes some 20 µs and connects to nothing.
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
	conf := C.rd_kafka_conf_new()
	defer C.rd_kafka_conf_destroy(conf)
	if assign(conf, name, value) != nil {
		return "", p.expected(value)
	}
	normal := read(conf, name)
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
	conf := C.rd_kafka_conf_new()
	for name, value := range properties {
		if assign(conf, name, value) != nil {
			C.rd_kafka_conf_destroy(conf)
			return fmt.Sprintf("%s is refused", name)
		}
	}
	_ = assign(conf, "log_level", "0") // it would warn on standard error
	rk, err := create(conf)
	if err != nil {
		return err.Error()
	}
	C.rd_kafka_destroy(rk)
	return ""
}

// read returns a property's value, "" where it is unset.
func read(conf *C.rd_kafka_conf_t, name string) string {
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	var size C.size_t
	if C.rd_kafka_conf_get(conf, cName, nil, &size) != C.KU_CONF_OK {
		return ""
	}
	value := make([]C.char, size+1)
	C.rd_kafka_conf_get(conf, cName, &value[0], &size)
	return C.GoString(&value[0])
}
