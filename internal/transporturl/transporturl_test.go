package transporturl

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestURLMeans(t *testing.T) {
	const sasl = " | map[sasl.mechanisms:PLAIN security.protocol:SASL_PLAINTEXT]"
	cases := []struct{ says, text, want string }{
		{"the contract's example", "kafka://user:pass@h1:9092,h2:9092/vhost",
			"map[bootstrap.servers:h1:9092,h2:9092 sasl.password:pass sasl.username:user]" + sasl + " | vhost"},
		{"a port is Kafka's unless given", "kafka://a,b:1/", "map[bootstrap.servers:a:9092,b:1] | map[] | "},
		{"no path", "kafka://a", "map[bootstrap.servers:a:9092] | map[] | "},
		{"no host, which config then has", "kafka:///v", "map[] | map[] | v"},
		{"options without a path", "kafka://a?compression_codec=gzip", "map[bootstrap.servers:a:9092 compression.type:gzip] | map[] | "},
		{"the scheme in capitals, and what follows a +", "KAFKA+x://a", "map[bootstrap.servers:a:9092] | map[] | "},
		{"empty hosts are left out", "kafka://,a,,b,/", "map[bootstrap.servers:a:9092,b:9092] | map[] | "},
		{"IPv6", "kafka://[::1]:1,[2001:db8::2],2001:db8::3/", "map[bootstrap.servers:[::1]:1,[2001:db8::2]:9092,[2001:db8::3]:9092] | map[] | "},
		{"percent-encoded user, password and virtual host", "kafka://a%40b:p%3A%2F%40%2C%25%C3%A9+@h/v%2Dw",
			"map[bootstrap.servers:h:9092 sasl.password:p:/@,%é+ sasl.username:a@b]" + sasl + " | v-w"},
		{"a user with @, a password with : and a % that encodes nothing", "kafka://me@corp:a:100%@h/",
			"map[bootstrap.servers:h:9092 sasl.password:a:100% sasl.username:me@corp]" + sasl + " | "},
		{"the user at each host", "kafka://u:p@a,u:p@b,c/", "map[bootstrap.servers:a:9092,b:9092,c:9092 sasl.password:p sasl.username:u]" + sasl + " | "},
		{"a user whose password is elsewhere", "kafka://u@a/", "map[bootstrap.servers:a:9092 sasl.username:u]" + sasl + " | "},
		{"every option", "kafka://a/?producer_batch_size=16384&producer_batch_timeout=0.25&compression_codec=zstd&security_protocol=SASL_SSL" +
			"&sasl_mechanism=SCRAM-SHA-256&ssl_cafile=%2Fetc%2Fca.pem&ssl_client_cert_file=/c&ssl_client_key_file=/k&ssl_client_key_password=a+b",
			"map[batch.num.messages:16384 bootstrap.servers:a:9092 compression.type:zstd linger.ms:250 sasl.mechanisms:SCRAM-SHA-256" +
				" security.protocol:SASL_SSL ssl.ca.location:/etc/ca.pem ssl.certificate.location:/c ssl.key.location:/k ssl.key.password:a b] | map[] | "},
		{"options of listeners mean nothing here", "kafka://a/?consumer_group=g&&max_poll_records=1", "map[bootstrap.servers:a:9092] | map[] | "},
		{"a fraction of a millisecond", "kafka://a/?producer_batch_timeout=1e-4", "map[bootstrap.servers:a:9092 linger.ms:0.1] | map[] | "},
	}
	for _, c := range cases {
		u, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.says, err)
			continue
		}
		if got := fmt.Sprintf("%v | %v | %s", u.Properties, u.Defaults, u.VirtualHost); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.says, got, c.want)
		}
	}
}

func TestBadURLIsANamedErrorWithoutItsSecret(t *testing.T) {
	cases := []struct{ text, want string }{
		{"", "kafka://"},
		{"s3cret", "kafka://"},
		{"rabbit://u:s3cret@h/", "kafka://"},
		{"kafka:h:9092", "kafka://"},
		{" kafka://h", "kafka://"},
		{"$env://s3cret", "kafka://"},
		{"kafka://u:s3#cret@h/", "%23"},
		{"kafka://u:s3cret\n@h/", "percent-encoded"},
		{"kafka://u:s3cret\xff@h/", "percent-encoded"},
		{"kafka://u:s3cret%00@h/", "sasl.password"},
		{"kafka://u:s3cret%FF@h/", "sasl.password"},
		{"kafka://u:@h/", "sasl.password"},
		{"kafka://:s3cret@h/", "sasl.username"},
		{"kafka://u:s3cret,x@h/", "host 1: its port"},
		{"kafka://u:s3cret/x@h/", "host 1: its port"},
		{"kafka://u:s3cret@h:0/", "host 1: its port"},
		{"kafka://h1,u:s3cret@h2:65536/", "host 2: its port"},
		{"kafka://u:s3cret@h:/", "host 1: its port"},
		{"kafka://u:s3cret@h:+1/", "host 1: its port"},
		{"kafka://u:s3cret@/", "host 1: its name"},
		{"kafka://u:s3cret@a b/", "host 1: its name"},
		{"kafka://u:s3cret@h$/", "host 1: its name"},
		{"kafka://u:s3cret@a:b:c/", "more than one colon"},
		{"kafka://u:s3cret@[::1/", "host 1: it has a ["},
		{"kafka://u:s3cret@[::1]9092/", "host 1: it has a ["},
		{"kafka://u:s3cret@[h]:9092/", "no IPv6 address"},
		{"kafka://u:s3cret@h1,w:s3cret@h2/", "host 2: it has another user"},
		{"kafka://u:s3cret@h1,u:other@h2/", "host 2: it has another user"},
		{"kafka://h/a/b", "virtual host"},
		{"kafka://h/v%20w", "virtual host"},
		{"kafka://u?s3cret@h/", "option 1: there is no such option"},
		{"kafka://h/?sasl_mechanism=PLAIN&compresion_codec=gzip", "option 2: there is no such option; the options are compression_codec, "},
		{"kafka://h/?compression_codec=brotli", "option 1: compression_codec: expected one of none, gzip, snappy, lz4, zstd"},
		{"kafka://h/?security_protocol=ssl", "option 1: security_protocol: expected one of PLAINTEXT"},
		{"kafka://h/?producer_batch_size=0", "option 1: producer_batch_size: expected"},
		{"kafka://h/?producer_batch_size=1.5", "option 1: producer_batch_size: expected"},
		{"kafka://h/?producer_batch_timeout=-1", "option 1: producer_batch_timeout: expected"},
		{"kafka://h/?producer_batch_timeout=nan", "option 1: producer_batch_timeout: expected"},
		{"kafka://h/?producer_batch_timeout=901", "option 1: producer_batch_timeout: expected"},
		{"kafka://h/?sasl_mechanism=", "option 1: sasl_mechanism has no value"},
		{"kafka://h/?sasl_mechanism=%00", "option 1: sasl_mechanism has a character"},
		{"kafka://h/?sasl_mechanism=PLAIN&sasl_mechanism=PLAIN", "option 2: sasl_mechanism is given twice"},
		{"kafka://h/?ssl_client_key_password=s3cret&ssl_client_key_password=s3cret", "given twice"},
	}
	for _, c := range cases {
		_, err := Parse(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q in it", c.text, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "s3") {
			t.Errorf("%q: the error has a part of the secret: %v", c.text, err)
		}
	}
}

// FuzzParse: whatever the text, there is an error that repeats nothing of it or values
// that librdkafka can be given; and a user and password that are encoded as URLs have it
// come out as they were.
func FuzzParse(f *testing.F) {
	f.Add("kafka://u:p@h:9092,[::1]/v?compression_codec=gzip", "user", "pa:ss/@,#?%")
	f.Add("kafka+x://,::1,a?producer_batch_timeout=0.1", "é", "100%")
	f.Fuzz(func(t *testing.T, text, user, password string) {
		if u, err := Parse(text); err == nil {
			for name, value := range u.Properties {
				if value == "" || strings.ContainsRune(value, 0) {
					t.Errorf("%q: %s is %q", text, name, value)
				}
			}
		}
		u, err := Parse("kafka://" + url.QueryEscape(user) + ":" + strings.ReplaceAll(url.QueryEscape(password), "+", "%20") + "@h/")
		if err != nil {
			if len(password) > 8 && strings.Contains(err.Error(), password) {
				t.Errorf("the error has the password: %v", err)
			}
			return
		}
		if got := u.Properties["sasl.password"]; got != password {
			t.Errorf("got the password %q, want %q", got, password)
		}
	})
}
