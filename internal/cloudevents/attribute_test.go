package cloudevents

import "testing"

func TestURIReferences(t *testing.T) {
	valid := []string{
		// the specification's
		"https://github.com/cloudevents", "mailto:cncf-wg-serverless@lists.cncf.io",
		"urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "/cloudevents/spec/pull/123", "/sensors/tn-1234567/alerts", "1-555-123-4567",
		// those of RFC 3986, section 1.1.2
		"ftp://ftp.is.co.za/rfc/rfc1808.txt", "ldap://[2001:db8::7]/c=GB?objectClass?one", "news:comp.infosystems.www.servers.unix",
		"tel:+1-816-555-1212", "telnet://192.0.2.16:80/", "urn:oasis:names:specification:docbook:dtd:xml:4.1.2",
		"", "#f", "?q", "?q?/#f?/", "//host", "//u:p@host:/", "http://a%20b/", "./a:b", "a/b:c", "../..", "http://[v1.a:b]:8", "/%E2%82%AC", "x:",
	}
	invalid := []string{
		"a b", "/a\"b", "/<a>", "/%", "/%4", "/%zz", "/€", ":a", "1a:b", "a_b:c", "a#b#c", "/[a]", "http://[::1", "http://::1]/",
		"http://[1.2.3.4]/", "http://[fe80::1%25eth0]/", "http://a:b/", "http://u@v@w/", "http://[v.a]/", "http://[vg.a]/", "\\", "^", "a|b",
	}
	for _, s := range valid {
		if what := invalidURIReference(s); what != "" {
			t.Errorf("%q is refused: %s", s, what)
		}
	}
	for _, s := range invalid {
		if invalidURIReference(s) == "" {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestTimestamps(t *testing.T) {
	valid := []string{
		// those of RFC 3339, section 5.8
		"1985-04-12T23:20:50.52Z", "1996-12-19T16:39:57-08:00", "1990-12-31T23:59:60Z", "1990-12-31T15:59:60-08:00", "1937-01-01T12:00:27.87+00:20",
		"2018-04-05t17:31:00z", "2024-02-29T00:00:00Z", "2000-02-29T00:00:00.123456789012Z", "0000-01-01T00:00:00-00:00",
	}
	invalid := []string{
		"", "2018-04-05", "2018-04-05 17:31:00Z", "2018-04-05T17:31:00", "2018-04-05T17:31Z", "2018-04-05T17:31:00,5Z", "2018-04-05T17:31:00.Z",
		"2018-04-05T17:31:00+0100", "2018-04-05T17:31:00+24:00", "2018-04-05T17:31:00+01:60", "2018-04-05T17:31:00*01:00", "2018-04-05T17:31:00+a1:00",
		"2018-13-05T17:31:00Z", "2018-00-05T17:31:00Z", "2018-04-31T17:31:00Z", "2018-04-00T17:31:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
		"2018-04-05T24:00:00Z", "2018-04-05T17:60:00Z", "2018-04-05T17:31:61Z", "2018-4-5T17:31:00Z", "2018-04-05T7:31:00Z", "2018-04-05T17:31:00Zx", "2018/04/05T17:31:00Z",
	}
	for _, s := range valid {
		if what := invalidTimestamp(s); what != "" {
			t.Errorf("%q is refused: %s", s, what)
		}
	}
	for _, s := range invalid {
		if invalidTimestamp(s) == "" {
			t.Errorf("%q is taken", s)
		}
	}
}
