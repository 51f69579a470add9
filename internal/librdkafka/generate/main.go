// Command generate prints the table of librdkafka's configuration properties that
// package librdkafka embeds. It asks the very library that this project links
// (rd_kafka_conf_properties_show) and reads what it answers. go generate and the
// package's test run it; it is no part of the program.
package main

// #include <stdio.h>
// #include <stdlib.h>
// // Weak: cgo links this file once without the library, to look at its symbols.
// extern void rd_kafka_conf_properties_show(FILE *fp) __attribute__((weak));
// static char *show(void) {
//   char *text = NULL;
//   size_t size = 0;
//   FILE *fp = open_memstream(&text, &size);
//   rd_kafka_conf_properties_show(fp);
//   fclose(fp);
//   return text;
// }
import "C"

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"unsafe"

	_ "github.com/confluentinc/confluent-kafka-go/v2/kafka" // the library
)

// row is: name, C/P, range, default, importance, description.
var row = regexp.MustCompile(`^([a-zA-Z_.]+) +\| +(\S) +\| (.*?) +\| +.*?\| (?:high|medium|low) +\| (.*) <br>\*Type: (.+)\*$`)

var alias = regexp.MustCompile("Alias for `([^`]+)`")

func main() {
	text := C.show()
	defer C.free(unsafe.Pointer(text))
	seen := map[string]bool{} // a global property goes before a topic's of the same name
	for _, line := range strings.Split(C.GoString(text), "\n") {
		m := row.FindStringSubmatch(line)
		if m == nil {
			if strings.Count(line, "|") >= 5 && !strings.HasPrefix(line, "Property") && !strings.HasPrefix(line, "---") {
				fmt.Fprintln(os.Stderr, "not understood:", line)
				os.Exit(1)
			}
			continue
		}
		name, scope, allowed, description, kind := m[1], m[2], strings.TrimSpace(m[3]), m[4], m[5]
		if seen[name] {
			continue
		}
		seen[name] = true
		status := ""
		if strings.Contains(description, "**DEPRECATED**") {
			status = "deprecated"
		}
		canonical := ""
		if a := alias.FindStringSubmatch(description); a != nil {
			canonical = a[1]
		}
		fmt.Println(strings.Join([]string{name, scope, kind, allowed, status, canonical}, "\t"))
	}
}
