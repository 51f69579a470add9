package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// DefaultDir is where container platforms mount secrets.
const DefaultDir = "/run/secrets"

// Resolver reads secrets. It can be used by several goroutines at once.
type Resolver struct {
	Names
	dir    string
	getenv func(string) string
}

// New returns a resolver of files below dir, which need not exist, and of variables
// that have one of the names and that getenv knows. An empty dir is DefaultDir, a nil
// getenv is os.Getenv.
func New(dir string, getenv func(string) string, names Names) *Resolver {
	if dir == "" {
		dir = DefaultDir
	}
	if getenv == nil {
		getenv = os.Getenv
	}
	return &Resolver{names, dir, getenv}
}

// Resolve returns the secret that the value refers to, read at this moment, or the
// value itself if it is no reference. Of a file, one newline at its end (LF or
// CRLF) is not part of the secret.
//
// An error is that of [Names.Check], or names the reference and says why it cannot be
// resolved: the variable is not set or empty, or the file is missing
// (fs.ErrNotExist), empty, outside the directory, no regular file, not readable,
// larger than 64 kB, or not text. It never has the secret or the directory's path.
func (r *Resolver) Resolve(value string) (string, error) {
	if err := r.Check(value); err != nil {
		return value, err
	}
	where, name, _ := parse(value)
	if where == literal {
		return value, nil
	}
	secret, err := r.read(where, name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", value, err)
	}
	return secret, nil
}

var ErrNotSet = errors.New("the environment variable is empty or not set")

// Variable returns what a variable has, for a reference that is not this plugin's but
// APISIX's. An error is ErrNotSet, or says that the variable is none of those that may be
// named.
func (r *Resolver) Variable(name string) (string, error) {
	if !isVariable(name) {
		return "", ErrNotSet // no shell has such a variable
	}
	value, err := r.read(variable, name)
	if err != nil {
		return "", err
	}
	if err := r.allow(name); err != nil {
		return "", err
	}
	return value, nil
}

func (r *Resolver) read(where kind, name string) (string, error) {
	if where == variable {
		if secret := r.getenv(name); secret != "" {
			return secret, nil
		}
		return "", ErrNotSet
	}
	content, err := readFile(r.dir, name)
	if err != nil {
		return "", withoutPath(err)
	}
	return secretOf(content)
}

// secretOf returns a file's secret. librdkafka's strings end at a zero byte, so
// that what follows one would be left out without a word.
func secretOf(content string) (string, error) {
	secret, ok := strings.CutSuffix(content, "\n")
	if ok {
		secret = strings.TrimSuffix(secret, "\r")
	}
	switch {
	case secret == "":
		return "", errors.New("the file is empty")
	case strings.ContainsRune(secret, 0):
		return "", errors.New("the file is not text: it has a zero byte")
	}
	return secret, nil
}

// withoutPath takes out of an error the path that the system's errors begin with:
// the message shows the reference, and where it leads to is not for a log.
func withoutPath(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return withoutPath(path.Err)
	}
	return err
}
