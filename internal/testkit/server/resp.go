package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// AskRedis sends one command on a connection of its own and returns the answer, which must be a single value; an absent one is "".
// The context needs a deadline. The address is a URL, redis:// or rediss://.
//
// The tests of what uses Redis should not depend on the library that it uses, so this speaks the protocol (RESP) by itself.
func AskRedis(ctx context.Context, address string, command ...string) (answer string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("the address of Redis is not a URL") // the parser's error would print the password
	}
	conn, err := dialRedis(ctx, u)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	answers := bufio.NewReader(conn)
	for _, words := range append(greeting(u), command) {
		if _, err := io.WriteString(conn, encode(words)); err != nil {
			return "", fmt.Errorf("%s: %w", words[0], err)
		}
		if answer, err = readAnswer(answers); err != nil {
			return "", fmt.Errorf("%s: %w", words[0], err)
		}
	}
	return answer, nil
}

func dialRedis(ctx context.Context, u *url.URL) (net.Conn, error) {
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "6379")
	}
	if u.Scheme == "rediss" {
		return new(tls.Dialer).DialContext(ctx, "tcp", host)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", host)
}

// greeting returns the commands that a connection begins with: who it is and which database it wants.
func greeting(u *url.URL) (commands [][]string) {
	if password, ok := u.User.Password(); ok {
		auth := []string{"AUTH", password}
		if name := u.User.Username(); name != "" {
			auth = []string{"AUTH", name, password}
		}
		commands = append(commands, auth)
	}
	if database := strings.Trim(u.Path, "/"); database != "" && database != "0" {
		commands = append(commands, []string{"SELECT", database})
	}
	return commands
}

func encode(words []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	return b.String()
}

func readAnswer(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	switch {
	case strings.HasPrefix(line, "+"), strings.HasPrefix(line, ":"):
		return line[1:], nil
	case strings.HasPrefix(line, "-"):
		return "", errors.New(line[1:])
	case line == "$-1":
		return "", nil
	case strings.HasPrefix(line, "$"):
		size, err := strconv.Atoi(line[1:])
		if err != nil || size < 0 {
			break
		}
		text := make([]byte, size+len("\r\n"))
		_, err = io.ReadFull(r, text)
		return string(text[:size]), err
	}
	return "", fmt.Errorf("an answer that is not a single value: %q", line)
}
