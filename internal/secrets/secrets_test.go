package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// outside is the content of a file that no reference may reach.
const outside = "content-from-outside"

// mount makes a secrets directory as Kubernetes does, with what does not belong
// into one, and returns its path.
func mount(t testing.TB) string {
	t.Helper()
	base := t.TempDir()
	dir := filepath.Join(base, "secrets")
	version := filepath.Join(dir, "..2026_10_01")
	for _, d := range []string{version, filepath.Join(dir, "folder")} {
		must(t, os.MkdirAll(d, 0o700))
	}
	write(t, filepath.Join(base, "outside"), outside)
	write(t, filepath.Join(version, "password"), "hunter2\n")
	write(t, filepath.Join(dir, "folder", "password"), "in-a-folder")
	for name, content := range map[string]string{
		"crlf": "hunter2\r\n", "two": "hunter2\n\n", "cr": "hunter2\r", "spaces": " hunter2 ", "pem": "-----BEGIN\nx\n-----END\n",
		"empty": "", "newline": "\n", "crlf-only": "\r\n", "zero": "hunter2\x00rest",
		"full": strings.Repeat("x", maxFile), "large": strings.Repeat("x", maxFile+1), "a..b": "dots",
	} {
		write(t, filepath.Join(dir, name), content)
	}
	for name, target := range map[string]string{
		"..data": "..2026_10_01", "password": "..data/password", "up": "../outside", "up-and-down": "../secrets/crlf",
		"absolute": filepath.Join(base, "outside"), "parent": "..", "loop": "loop", "dangling": "nothing", "device": "/dev/zero",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	return dir
}

func write(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// all lets every variable be named.
var all = Names{[]string{"*"}}

func environment(name string) string {
	return map[string]string{"PASSWORD": "from-env", "_p1": "underscore", "NEWLINE": "kept\n", "REFERENCE": "$env://PASSWORD"}[name]
}

func TestReferencesAreResolved(t *testing.T) {
	r := New(mount(t), environment, all)
	cases := []struct{ says, value, want string }{
		{"a value that is no reference stays", "hunter2", "hunter2"},
		{"an empty value stays", "", ""},
		{"a reference inside a value is none", "x$env://PASSWORD", "x$env://PASSWORD"},
		{"a dollar more is no escape, but makes it no reference", "$$env://PASSWORD", "$$env://PASSWORD"},
		{"capitals make it no reference", "$ENV://PASSWORD", "$ENV://PASSWORD"},
		{"APISIX's other references are none", "$secret://vault/1/password", "$secret://vault/1/password"},
		{"a variable", "$env://PASSWORD", "from-env"},
		{"a variable with an underscore and a digit", "$env://_p1", "underscore"},
		{"a variable's newline is kept", "$env://NEWLINE", "kept\n"},
		{"a secret is not resolved again", "$env://REFERENCE", "$env://PASSWORD"},
		{"a file of Kubernetes, through two links", "$file://password", "hunter2"},
		{"a file in a folder", "$file://folder/password", "in-a-folder"},
		{"two dots inside a name", "$file://a..b", "dots"},
		{"CRLF at the end is cut", "$file://crlf", "hunter2"},
		{"one newline is cut, not two", "$file://two", "hunter2\n"},
		{"a lone CR stays", "$file://cr", "hunter2\r"},
		{"spaces stay", "$file://spaces", " hunter2 "},
		{"newlines inside stay", "$file://pem", "-----BEGIN\nx\n-----END"},
		{"a file of the largest size", "$file://full", strings.Repeat("x", maxFile)},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			if err := Check(c.value); err != nil {
				t.Errorf("Check: %v", err)
			}
			got, err := r.Resolve(c.value)
			if err != nil || got != c.want {
				t.Errorf("got %.100q, %v, want %.100q", got, err, c.want)
			}
		})
	}
}

func TestReferenceThatCannotBeResolvedIsNamedInTheError(t *testing.T) {
	dir := mount(t)
	r := New(dir, environment, all)
	cases := []struct {
		says, value, want string
		missing           bool
	}{
		{"a variable that is not set", "$env://NOTHING", "empty or not set", false},
		{"a file that is not there", "$file://nothing", "no such file", true},
		{"a variable that is empty", "$env://EMPTY", "empty or not set", false},
		{"a folder that is not there", "$file://nothing/password", "no such file", true},
		{"a link to nothing", "$file://dangling", "no such file", true},
		{"a link to itself", "$file://loop", "too many", false},
		{"a link out of the directory", "$file://up", "escapes", false},
		{"a link out of the directory and back", "$file://up-and-down", "escapes", false},
		{"an absolute link", "$file://absolute", "escapes", false},
		{"a folder that is a link out of the directory", "$file://parent/outside", "escapes", false},
		{"a device behind a link", "$file://device", "escapes", false},
		{"a folder", "$file://folder", "not a regular file", false},
		{"a FIFO that nobody writes to", "$file://fifo", "not a regular file", false},
		{"an empty file", "$file://empty", "the file is empty", false},
		{"a file of a newline", "$file://newline", "the file is empty", false},
		{"a file of CRLF", "$file://crlf-only", "the file is empty", false},
		{"a file that is too large", "$file://large", "more than 65536 bytes", false},
		{"a file that librdkafka would see the beginning of", "$file://zero", "zero byte", false},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			if err := Check(c.value); err != nil {
				t.Errorf("Check looks at more than the syntax: %v", err)
			}
			got, err := r.Resolve(c.value)
			if err == nil || got != "" {
				t.Fatalf("got %.100q, %v", got, err)
			}
			if text := err.Error(); !strings.HasPrefix(text, c.value+": ") || !strings.Contains(text, c.want) {
				t.Errorf("got %q, want %q", text, c.want)
			}
			if errors.Is(err, fs.ErrNotExist) != c.missing {
				t.Errorf("%v is fs.ErrNotExist: %v, want %v", err, !c.missing, c.missing)
			}
			for _, hidden := range []string{"hunter2", outside, dir, filepath.Dir(dir)} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("%q has %q", err, hidden)
				}
			}
		})
	}
}

func TestReferencesThatCanNeverBeResolvedAreRefused(t *testing.T) {
	r := New(mount(t), func(string) string { return "a variable" }, all)
	cases := []struct{ says, value, want string }{
		{"no variable", "$env://", "$env:// wants"},
		{"a digit first", "$env://1A", "$env:// wants"},
		{"a character that no name has", "$env://hunter2-A", "$env:// wants"},
		{"a letter that is not ASCII", "$env://Ä", "$env:// wants"},
		{"a field of a variable, as in APISIX", "$env://hunter2/key", "$env:// wants"},
		{"a space", "$env://A ", "$env:// wants"},
		{"no path", "$file://", "$file:// wants"},
		{"the directory itself", "$file://.", "$file:// wants"},
		{"an absolute path", "$file:///run/secrets/password", "$file:// wants"},
		{"the parent", "$file://../outside", "$file:// wants"},
		{"the parent in the middle", "$file://folder/../password", "$file:// wants"},
		{"the parent at the end", "$file://folder/..", "$file:// wants"},
		{"a dot in the middle", "$file://folder/./password", "$file:// wants"},
		{"a slash at the end", "$file://password/", "$file:// wants"},
		{"two slashes", "$file://folder//password", "$file:// wants"},
		{"a zero byte", "$file://hunter2\x00", "$file:// wants"},
		{"a newline", "$file://hunter2\n", "$file:// wants"},
		{"no UTF-8", "$file://hunter2\xff", "$file:// wants"},
		{"a name without end", "$file://" + strings.Repeat("hunter2", 1000), "at most 1024 bytes, this one has 7008"},
		{"a variable without end", "$env://" + strings.Repeat("hunter2", 1000), "at most 1024 bytes, this one has 7007"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			if !IsReference(c.value) {
				t.Error("it is no reference")
			}
			err := Check(c.value)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("Check: %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("it quotes what may be a secret: %v", err)
			}
			if _, again := r.Resolve(c.value); again == nil || again.Error() != err.Error() {
				t.Errorf("Resolve: %v", again)
			}
		})
	}
}

func TestVariablesAreReadThatTheOperatorAllows(t *testing.T) {
	cases := []struct {
		says, list, value string
		allowed           bool
	}{
		{"a name with the prefix", DefaultNames, "$env://KAFKA_PASSWORD", true},
		{"the prefix alone is one", DefaultNames, "$env://KAFKA_", true},
		{"a name without it", DefaultNames, "$env://AWS_SECRET_ACCESS_KEY", false},
		{"a name that has it further on", DefaultNames, "$env://MY_KAFKA_PASSWORD", false},
		{"capitals count", DefaultNames, "$env://kafka_password", false},
		{"a name that is listed", "PW, TOKEN", "$env://TOKEN", true},
		{"one that begins so", "PW,TOKEN", "$env://TOKENS", false},
		{"the default is gone then", "PW,TOKEN", "$env://KAFKA_PASSWORD", false},
		{"a list of nothing", "", "$env://KAFKA_PASSWORD", false},
		{"any", "*", "$env://AWS_SECRET_ACCESS_KEY", true},
		{"a file is no variable", "", "$file://password", true},
		{"nor is what is no reference", "", "hunter2", true},
	}
	dir := mount(t)
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			names, err := ParseNames(c.list)
			if err != nil {
				t.Fatal(err)
			}
			r := New(dir, func(string) string { return "s3cret" }, names)
			got, resolveErr := r.Resolve(c.value)
			for _, err := range []error{r.Check(c.value), resolveErr} {
				if (err == nil) != c.allowed || err != nil && !strings.Contains(err.Error(), "--secrets-env") {
					t.Errorf("got %v", err)
				}
			}
			if !c.allowed && got == "s3cret" {
				t.Error("it was read all the same")
			}
		})
	}
	for _, list := range []string{"1A", "A-B", "A*B", "**", "$env://A"} {
		if _, err := ParseNames(list); err == nil {
			t.Errorf("%q was taken", list)
		}
	}
}

func TestVariablesOfAPISIXAreReadThatTheOperatorAllows(t *testing.T) {
	names, err := ParseNames("KAFKA_*")
	must(t, err)
	r := New("", func(name string) string { return map[string]string{"KAFKA_A": "a", "OTHER": "o", "A B": "ab"}[name] }, names)
	for name, want := range map[string]string{
		"KAFKA_A": "a", "KAFKA_B": ErrNotSet.Error(), "A B": ErrNotSet.Error(), "": ErrNotSet.Error(),
		// That it is not set is no secret, and what has a default depends on it.
		"OTHER": "only these variables may be named: KAFKA_* (--secrets-env)", "NONE": ErrNotSet.Error(),
	} {
		value, err := r.Variable(name)
		if err != nil {
			value += err.Error()
		}
		if value != want {
			t.Errorf("%s: %s, want %s", name, value, want)
		}
	}
}

func TestSecretIsReadAnewEachTime(t *testing.T) {
	dir, variable := t.TempDir(), ""
	r := New(dir, func(string) string { return variable }, all)
	for _, secret := range []string{"first", "second"} {
		variable = secret
		write(t, filepath.Join(dir, "password"), secret)
		for _, value := range []string{"$env://PASSWORD", "$file://password"} {
			if got, err := r.Resolve(value); err != nil || got != secret {
				t.Errorf("%s: got %q, %v, want %q", value, got, err, secret)
			}
		}
	}
}

func TestDirectoryMayComeLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	r := New(dir, nil, all)
	_, err := r.Resolve("$file://password")
	if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "the secrets directory") {
		t.Errorf("without the directory: %v", err)
	}
	must(t, os.Mkdir(dir, 0o700))
	write(t, filepath.Join(dir, "password"), "hunter2")
	if got, err := r.Resolve("$file://password"); err != nil || got != "hunter2" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFileThatOpensAndCannotBeReadIsAnErrorWithoutItsPath(t *testing.T) {
	// The first page of a process's memory is never mapped.
	_, err := New("/proc/self", nil, all).Resolve("$file://mem")
	if err == nil || strings.Contains(err.Error(), "/proc") {
		t.Errorf("got %v", err)
	}
}

func TestDefaultsAreTheContainersDirectoryAndTheProcessesEnvironment(t *testing.T) {
	t.Setenv("KAFKAUPSTREAM_TEST_SECRET", "from-the-process")
	r := New("", nil, all)
	if got, err := r.Resolve("$env://KAFKAUPSTREAM_TEST_SECRET"); err != nil || got != "from-the-process" {
		t.Errorf("got %q, %v", got, err)
	}
	if r.dir != "/run/secrets" {
		t.Errorf("the directory is %q", r.dir)
	}
}

func FuzzCheck(f *testing.F) {
	for _, value := range []string{
		"", "hunter2", "$env://PASSWORD", "$env://1", "$file://password", "$file://up", "$file://absolute", "$file://parent/outside",
		"$file://../outside", "$file:///etc/passwd", "$file://folder/../../outside", "$file://\x00", "$file://fifo", "$file://folder/",
	} {
		f.Add(value)
	}
	dir := mount(f)
	r := New(dir, func(string) string { return "a variable" }, all)
	f.Fuzz(func(t *testing.T, value string) {
		checked := Check(value)
		secret, err := r.Resolve(value)
		if checked != nil && err == nil {
			t.Errorf("refused with %v, and resolved", checked)
		}
		if !IsReference(value) && (err != nil || secret != value) {
			t.Errorf("no reference, and became %q, %v", secret, err)
		}
		name, isFile := strings.CutPrefix(value, filePrefix)
		if isFile && checked == nil && !filepath.IsLocal(name) {
			t.Error("a path out of the directory was accepted")
		}
		if isFile && strings.Contains(secret, outside) {
			t.Error("a file outside the directory was read")
		}
		if err != nil && strings.Contains(err.Error(), dir) {
			t.Errorf("the error has the directory's path: %v", err)
		}
	})
}

func TestWithoutURLKeepsTheCauseOnly(t *testing.T) {
	cause := errors.New("no route to host")
	for _, err := range []error{cause, &url.Error{Op: "Get", URL: "http://u:s3cret@host", Err: cause}, fmt.Errorf("wrapped: %w", &url.Error{Op: "Get", URL: "s3cret", Err: cause})} {
		if got := WithoutURL(err); got != cause {
			t.Errorf("%v: got %v", err, got)
		}
	}
}
