package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// victim is a process of the program under attack.
type victim struct {
	process *exec.Cmd
	folder  string
	base    string
}

// start starts the program in a folder and waits until it is ready.
func start(ctx context.Context, binary, folder string) (*victim, error) {
	address := filepath.Join(folder, "address")
	_ = os.Remove(address)
	p := exec.CommandContext(ctx, binary, "serve", "--demo")
	p.Env = append(os.Environ(), "MESA_DATA_DIR="+folder, "MESA_ADDR=127.0.0.1:0", "MESA_ADDR_FILE="+address, "MESA_NO_CACHE=true", "MESA_LOG_LEVEL=error")
	p.Stdout, p.Stderr = io.Discard, io.Discard
	if err := p.Start(); err != nil {
		return nil, err
	}
	v := &victim{process: p, folder: folder}
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(address); err == nil && len(text) > 0 {
			v.base = "http://" + strings.TrimPrefix(strings.TrimSpace(string(text)), "http://")
			return v, nil
		}
	}
	v.stop()
	return nil, errors.New("the program does not start")
}

func (v *victim) stop() {
	_ = v.process.Process.Signal(syscall.SIGKILL)
	_ = v.process.Wait()
}

// memory is a figure of the process in MB, such as VmRSS (now) and VmHWM (at most so far); 0 where Linux does not tell.
func (v *victim) memory(name string) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.process.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), name+":")
	kb, _ := strconv.Atoi(strings.Fields(after + " 0")[0])
	return kb >> 10
}

// signIn gives the token of a demo account whose address begins so.
func (v *victim) signIn(ctx context.Context, email string) (string, error) {
	text, err := os.ReadFile(filepath.Join(v.folder, "demo-credentials.json"))
	if err != nil {
		return "", err
	}
	var accounts []struct{ Email, Password string }
	if err := json.Unmarshal(text, &accounts); err != nil {
		return "", err
	}
	for _, a := range accounts {
		if !strings.HasPrefix(a.Email, email) {
			continue
		}
		_, answer, err := v.from("127.0.0.1").post(ctx, query(fmt.Sprintf("mutation { signIn(input: {email: %q, password: %q}) { token } }", a.Email, a.Password)))
		if err != nil {
			return "", err
		}
		var got struct {
			Data struct{ SignIn struct{ Token string } }
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil || got.Data.SignIn.Token == "" {
			return "", fmt.Errorf("sign-in of %s: %s", a.Email, answer)
		}
		return got.Data.SignIn.Token, nil
	}
	return "", fmt.Errorf("no account %s", email)
}

// client asks from an address of the loopback.
type client struct {
	base, token string
	http        *http.Client
	dial        func(ctx context.Context, network, address string) (net.Conn, error)
}

func (v *victim) from(address string) *client {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &client{base: v.base, dial: d.DialContext, http: &http.Client{Transport: &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: attackers}}}
}

// post sends a body and reads the answer.
func (c *client) post(ctx context.Context, body string) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/graphql", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// outcome is what an answer says: the code of its first error, or its status.
func outcome(status int, answer string) string {
	if _, after, found := strings.Cut(answer, `"code":"`); found {
		code, _, _ := strings.Cut(after, `"`)
		return code
	}
	return strconv.Itoa(status)
}
