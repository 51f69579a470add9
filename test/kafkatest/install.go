package kafkatest

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	kafkaVersion = "4.3.1"
	homeVariable = "KAFKAUPSTREAM_KAFKA_LIB"
)

//go:embed pom.xml
var pom []byte

// installation is Kafka on this machine. Each part is made once, moved into
// place whole, and only then seen by other processes.
type installation struct {
	home string // holds lib/, bootstrap.checkpoint and the archive
	java string
	jars []string
}

// install finds Kafka in the cache, or puts it there. Processes that come at
// the same time wait for the first.
func install() (*installation, error) {
	java, err := findJava()
	if err != nil {
		return nil, err
	}
	home, err := findHome()
	if err != nil {
		return nil, err
	}
	k := &installation{home: home, java: java}
	if k.complete() {
		return k, k.listJars()
	}
	unlock, err := lock(filepath.Join(home, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := k.make(); err != nil {
		return nil, err
	}
	return k, nil
}

func findJava() (string, error) {
	name := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		name = filepath.Join(home, "bin", "java")
	}
	java, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("kafkatest: Java 17 or newer is needed to run Apache Kafka %s: "+
			"no java in JAVA_HOME or PATH: %w", kafkaVersion, err)
	}
	return java, nil
}

func findHome() (string, error) {
	home := os.Getenv(homeVariable)
	if home == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("kafkatest: no place for Apache Kafka: set %s: %w", homeVariable, err)
		}
		home = filepath.Join(cache, "kafkaupstream", "kafka-"+kafkaVersion)
	}
	home, err := filepath.Abs(home)
	if err != nil {
		return "", fmt.Errorf("kafkatest: %s: %w", homeVariable, err)
	}
	return home, nil
}

func (k *installation) lib() string        { return filepath.Join(k.home, "lib") }
func (k *installation) checkpoint() string { return filepath.Join(k.home, "bootstrap.checkpoint") }

// archive is where the loaded classes of this Java are kept. Another Java
// cannot use them, so its file and age are part of the name.
func (k *installation) archive() string {
	h := fnv.New32a()
	if path, err := filepath.EvalSymlinks(k.java); err == nil {
		h.Write([]byte(path))
	}
	if info, err := os.Stat(k.java); err == nil {
		fmt.Fprint(h, info.Size(), info.ModTime().UnixNano())
	}
	return filepath.Join(k.home, fmt.Sprintf("classes-%08x.jsa", h.Sum32()))
}

func (k *installation) complete() bool {
	return exists(k.lib()) && exists(k.checkpoint()) && exists(k.archive())
}

func (k *installation) make() error {
	steps := []struct {
		path string
		make func() error
	}{
		{k.lib(), k.copyJars},
		{k.checkpoint(), k.formatOnce},
		{k.archive(), k.archiveClasses},
	}
	for _, step := range steps {
		if !exists(step.path) {
			if err := step.make(); err != nil {
				return err
			}
		}
		if err := k.listJars(); err != nil {
			return err
		}
	}
	return nil
}

// copyJars has Maven copy Kafka and what it depends on.
func (k *installation) copyJars() error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("kafkatest: Maven is needed once, to copy Apache Kafka %s from Maven Central to %s: %w",
			kafkaVersion, k.home, err)
	}
	temp, err := os.MkdirTemp(k.home, "lib-")
	if err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	defer os.RemoveAll(temp)
	pomFile := filepath.Join(temp, "pom.xml")
	if err := os.WriteFile(pomFile, pom, 0o600); err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	jars := filepath.Join(temp, "lib")
	if err := run(mvn, "-q", "-B", "-f", pomFile, "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+jars); err != nil {
		return err
	}
	return os.Rename(jars, k.lib())
}

func (k *installation) listJars() error {
	jars, err := filepath.Glob(filepath.Join(k.lib(), "*.jar")) // sorted: the archive is for one order
	if err != nil || len(jars) == 0 {
		return fmt.Errorf("kafkatest: no jars in %s: remove the directory to have them copied again", k.lib())
	}
	k.jars = jars
	return nil
}

// formatOnce keeps what Kafka's own storage tool writes for a new node, the
// feature levels of this version. Only meta.properties differs from node to
// node (see format), and a second JVM for each start takes as long as half
// the broker's own start.
func (k *installation) formatOnce() error {
	temp, err := os.MkdirTemp(k.home, "format-")
	if err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	defer os.RemoveAll(temp)
	n := &broker{id: 1, addr: "127.0.0.1:1", controllerAddr: "127.0.0.1:2", dir: temp}
	c := &Cluster{opts: Options{Nodes: 1}, nodes: []*broker{n}}
	if err := os.WriteFile(n.propertiesFile(), c.serverProperties(n), 0o600); err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	if err := run(k.java, "-cp", k.classPath(), "kafka.tools.StorageTool", "format",
		"-t", newClusterID(), "-c", n.propertiesFile()); err != nil {
		return err
	}
	return os.Rename(filepath.Join(n.dataDir(), "bootstrap.checkpoint"), k.checkpoint())
}

// archiveClasses runs one broker and has its JVM write down the classes that
// it has loaded: a broker that maps them is ready in 1.2 s instead of 2.0.
// A JVM that cannot do this leaves an empty file, and brokers start without.
func (k *installation) archiveClasses() error {
	temp := filepath.Join(k.home, fmt.Sprintf("classes-%d.tmp", os.Getpid()))
	c, err := start(Options{}, k, "-XX:ArchiveClassesAtExit="+temp)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.CreateTopic("archive", 1, 1, nil); err != nil {
		return err
	}
	if err := c.Stop(1); err != nil {
		return err
	}
	if !exists(temp) {
		if err := os.WriteFile(temp, nil, 0o600); err != nil {
			return fmt.Errorf("kafkatest: %w", err)
		}
	}
	return os.Rename(temp, k.archive())
}

func (k *installation) classPath() string {
	return strings.Join(k.jars, string(filepath.ListSeparator))
}

// command starts a broker on the given server.properties. The flags are for
// a quick start and a small process, not for throughput over hours.
func (k *installation) command(propertiesFile string, flags ...string) *exec.Cmd {
	args := []string{
		"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
		"-XX:+ExitOnOutOfMemoryError", // a half-dead broker would look like a bug of ours
		"-Dlog4j2.level=WARN",
	}
	if info, err := os.Stat(k.archive()); err == nil && info.Size() > 0 {
		args = append(args, "-XX:SharedArchiveFile="+k.archive())
	}
	args = append(args, flags...)
	return exec.Command(k.java, append(args, "-cp", k.classPath(), "kafka.Kafka", propertiesFile)...)
}

// run runs a tool to its end and puts what it printed into the error.
func run(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("kafkatest: %s: %w: %s", filepath.Base(name), err, tail(out))
	}
	return nil
}

// tail is the end of a log, enough to see why a process died.
func tail(log []byte) string {
	const most = 4 << 10
	log = bytes.TrimSpace(log)
	if len(log) > most {
		log = append([]byte("…"), log[len(log)-most:]...)
	}
	if len(log) == 0 {
		return "(nothing logged)"
	}
	return string(log)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// lock waits until this process alone holds the file. The kernel releases it
// when the process dies.
func lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("kafkatest: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("kafkatest: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("kafkatest: lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
