package extplugin

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test's binary is also the processes of an APISIX: EXTPLUGIN_TEST says which.
func TestMain(m *testing.M) {
	role, arg, _ := strings.Cut(os.Getenv("EXTPLUGIN_TEST"), " ")
	switch role {
	case "":
		os.Exit(m.Run())
	case "shell": // runs the rest of its argument as its child
		cmd := exec.Command(os.Args[0])
		cmd.Env = []string{"EXTPLUGIN_TEST=" + arg}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		_ = cmd.Run()
	case "runner": // serves until its input ends
		serveForTest(strings.Fields(arg))
	case "peer":
		fmt.Println(speak(arg))
	}
	os.Exit(0)
}

func serveForTest(args []string) {
	peers, err := ParsePeers(strings.Join(args[1:], ","))
	if err != nil {
		fmt.Println(err)
		return
	}
	opts := Options{SocketPath: args[0], Peers: peers, Log: slog.New(slog.NewTextHandler(os.Stdout, nil))}
	if _, err := Listen(opts, &fakePlugin{name: "p"}); err != nil {
		fmt.Println(err)
		return
	}
	info, err := os.Stat(args[0])
	fmt.Println("mode", info.Mode().Perm(), err)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// speak prepares a configuration and says whether it was served.
func speak(path string) string {
	c, err := net.Dial("unix", path)
	if err != nil {
		return "not let in"
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = c.Write(prepareConfFrame("k", "p", "{}")) // which may fail when it is closed by then
	if _, err := io.ReadFull(c, make([]byte, frameHeaderLen)); err != nil {
		return "refused"
	}
	return "served"
}

// apisix is processes of a test, all of them children of the test's own or below.
type apisix struct {
	*testing.T
	binary, socket string
}

func newAPISIX(t *testing.T) *apisix {
	t.Helper()
	dir, err := os.MkdirTemp("", "t") // whose parents other users can read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary := filepath.Join(dir, "test")
	if out, err := exec.Command("cp", os.Args[0], binary).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	open := filepath.Join(dir, "socket")
	for _, err := range []error{os.Mkdir(open, 0o777), os.Chmod(open, 0o777), os.Chmod(dir, 0o755), os.Chmod(binary, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return &apisix{t, binary, filepath.Join(open, "s")}
}

func (a *apisix) command(uid int, role string) *exec.Cmd {
	cmd := exec.Command(a.binary)
	cmd.Env = []string{"EXTPLUGIN_TEST=" + role}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	return cmd
}

// runner starts one, and returns the socket's mode and its log from then on, which ends
// with it.
func (a *apisix) runner(uid int, role string) (mode string, log func() string) {
	a.Helper()
	cmd := a.command(uid, role)
	in, err := cmd.StdinPipe()
	if err != nil {
		a.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		a.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		a.Fatal(err)
	}
	lines := bufio.NewReader(out)
	mode, err = lines.ReadString('\n')
	if err != nil || !strings.HasPrefix(mode, "mode ") {
		a.Fatal(mode, err)
	}
	return strings.Fields(mode)[1], func() string {
		in.Close()
		text, _ := io.ReadAll(lines)
		_ = cmd.Wait()
		return string(text)
	}
}

func TestServerLetsOnlyAPISIXConnect(t *testing.T) {
	const root, nobody, other = 0, 65534, 65533
	if os.Geteuid() != root {
		t.Log("another user's processes can be started by root only: nothing to try")
		return
	}
	cases := []struct {
		says      string
		runnerUID int
		runner    string // with %s for the socket
		mode      string
		peerUID   int
		peer      string
		want      string
		logged    bool
	}{
		{says: "its own user may", runner: "runner %s", mode: "-rw--w--w-", peerUID: root, peer: "shell peer %s", want: "served"},
		{says: "a worker of another user may", runner: "runner %s", mode: "-rw--w--w-", peerUID: nobody, peer: "peer %s", want: "served"},
		{says: "so may one whose master is the runner's grandparent", runner: "shell runner %s", mode: "-rw--w--w-",
			peerUID: nobody, peer: "peer %s", want: "served"},
		{says: "a stranger may not", runner: "runner %s", mode: "-rw--w--w-", peerUID: nobody, peer: "shell peer %s", want: "refused", logged: true},
		{says: "a stranger whose user is named may", runner: "runner %s 1 nobody", mode: "-rw--w--w-", peerUID: nobody, peer: "shell peer %s", want: "served"},
		{says: "a stranger whose user is not named may not", runner: "runner %s 1 65533", mode: "-rw--w--w-",
			peerUID: nobody, peer: "shell peer %s", want: "refused", logged: true},
		{says: "everybody may where that is said", runner: "runner %s *", mode: "-rw--w--w-", peerUID: nobody, peer: "shell peer %s", want: "served"},
		{says: "a runner that root's APISIX has started as another user serves its workers", runnerUID: other, runner: "runner %s", mode: "-rw--w--w-",
			peerUID: nobody, peer: "peer %s", want: "served"},
		{says: "root may", runnerUID: other, runner: "runner %s", mode: "-rw--w--w-", peerUID: root, peer: "shell peer %s", want: "served"},
		{says: "where APISIX has one user, the socket is that one's alone", runnerUID: other, runner: "shell runner %s", mode: "-rw-------",
			peerUID: nobody, peer: "shell peer %s", want: "not let in"},
		{says: "and that one may", runnerUID: other, runner: "shell runner %s", mode: "-rw-------", peerUID: other, peer: "shell peer %s", want: "served"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			a := newAPISIX(t)
			mode, log := a.runner(c.runnerUID, fmt.Sprintf(c.runner, a.socket))
			out, err := a.command(c.peerUID, fmt.Sprintf(c.peer, a.socket)).CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
			if mode != c.mode {
				t.Errorf("the socket's mode is %s, want %s", mode, c.mode)
			}
			if text := log(); strings.Contains(text, fmt.Sprintf("was refused: its user is not APISIX's; --socket-users lets others in\" user=%d", c.peerUID)) != c.logged {
				t.Errorf("the log:\n%s", text)
			}
		})
	}
}
