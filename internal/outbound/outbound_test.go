package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client makes one that may call these networks, and trusts the servers that it is given.
func client(t testing.TB, allow string, servers ...*httptest.Server) *Client {
	t.Helper()
	networks, err := ParseAllow(allow)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Allow: networks, UserAgent: "mesa-test", Timeout: 10 * time.Second})
	for _, server := range servers {
		c.tls.RootCAs = x509.NewCertPool()
		c.tls.RootCAs.AddCert(server.Certificate())
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t testing.TB, start func(http.Handler) *httptest.Server, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := start(handle)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail
	t.Cleanup(server.Close)
	return server
}

func wantCode(t testing.TB, err error, want Code) {
	t.Helper()
	if CodeOf(err) != want {
		t.Errorf("%v (%s), want %s", err, CodeOf(err), want)
	}
}

func TestACall(t *testing.T) {
	t.Parallel()
	server := serve(t, httptest.NewTLSServer, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "%s %s %s %q %s", r.Method, r.URL, r.UserAgent(), body, r.Header.Get("Webhook-Id"))
	})
	c := client(t, "127.0.0.0/8", server)
	got, err := c.Do(t.Context(), Request{Method: "POST", URL: server.URL + "/x?y=1", Header: http.Header{"webhook-id": {"7"}}, Body: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	if want := `POST /x?y=1 mesa-test "hello" 7`; got.Status != 503 || string(got.Body) != want {
		t.Errorf("%d %s, want %s", got.Status, got.Body, want)
	}
	if got.RemoteAddr != server.Listener.Addr().String() || got.Took <= 0 || got.RetryAfter != 7*time.Second ||
		!got.CertificateExpires.Equal(server.Certificate().NotAfter) {
		t.Errorf("%+v", got)
	}
}

func TestPlainHTTPReachesAllowedNetworksOnly(t *testing.T) {
	t.Parallel()
	server := serve(t, httptest.NewServer, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Method) })
	got, err := client(t, "127.0.0.1/32").Do(t.Context(), Request{URL: server.URL})
	if err != nil || string(got.Body) != "GET" || !got.CertificateExpires.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	elsewhere := client(t, "10.0.0.0/8")
	for _, host := range []string{"127.0.0.1", "localhost", "93.184.215.14"} {
		_, err := elsewhere.Do(t.Context(), Request{URL: "http://" + host + ":" + port(server)})
		wantCode(t, err, AddressRefused)
	}
	if err := elsewhere.CheckURL("http://example.org/"); err != nil {
		t.Errorf("a name that may be in an allowed network: %v", err)
	}
	wantCode(t, client(t, "").CheckURL("http://example.org/"), AddressRefused)
}

func port(server *httptest.Server) string {
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	return port
}

var inside = []string{
	"127.0.0.1", "127.1", "127.0.1", "127.127.127.127", "2130706433", "0x7f000001", "0X7F000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.1.",
	"0", "0.0.0.0", "00000000", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.1.1", "169.254.169.254", "2852039166", "0xA9FEA9FE",
	"100.64.0.1", "100.127.255.255", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.7", "224.0.0.1", "239.255.255.255",
	"240.0.0.1", "255.255.255.255", "192.88.99.1",
	"[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::ffff:a9fe:a9fe]",
	"[64:ff9b::127.0.0.1]", "[64:ff9b:1::a9fe:a9fe]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[2001:db8::1]", "[3fff::1]", "[5f00::1]", "[100::1]", "[fc00::1]",
	"[fd00:ec2::254]", "[fe80::1]", "[fe80::1%25lo]", "[fe80::1%25eth0]", "[::1%25lo]", "[fec0::1]", "[ff02::1]", "[ff02::1%25lo]", "[4000::1]", "[abcd::1]",
	"localhost", "LOCALHOST", "localhost.", "%6c%6f%63%61%6c%68%6f%73%74", "127.0.0.1%00.example.org", "１２７.０.０.１", "127。0。0。1", "ⓛocalhost",
}

// Nobody answers the knocks, wherever the name or number is understood: in CheckURL, or else where the connection is made.
func TestSpellingsOfInternalAddressesAreRefused(t *testing.T) {
	t.Parallel()
	var knocks atomic.Int32
	ports := map[string]bool{}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("without IPv6: %v", err)
			continue
		}
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		ports[port] = true
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				knocks.Add(1)
				conn.Close()
			}
		}()
		t.Cleanup(func() { listener.Close(); <-done })
	}
	if _, err := client(t, "").dialTLS(t.Context(), "tcp", "localhost:443"); CodeOf(classify(t.Context(), err)) != AddressRefused {
		t.Errorf("localhost, as this machine resolves it: %v", err)
	}
	c := client(t, "")
	c.dialer.Resolver = resolver(t, netip.MustParseAddr("127.0.0.1")) // what is no address is a name, and every name leads here
	for _, host := range inside {
		for port := range ports {
			_, err := c.Do(t.Context(), Request{URL: "https://" + host + ":" + port + "/"})
			wantCode(t, err, AddressRefused)
			// Without CheckURL before it: what the dialer alone lets through. A spelling may also be no name at all.
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			for _, road := range []func(context.Context, string, string) (net.Conn, error){c.dialTLS, c.dialPlain} {
				if conn, err := road(ctx, "tcp", strings.ReplaceAll(host, "%25", "%")+":"+port); err == nil {
					conn.Close()
					t.Errorf("%s was dialled", host)
				}
			}
			cancel()
		}
	}
	t.Logf("%d spellings on %d ports: %d connections", len(inside), len(ports), knocks.Load())
	if n := knocks.Load(); n > 0 {
		t.Errorf("%d connections reached this machine", n)
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := client(t, "10.0.0.0/8")
	for _, bad := range []string{
		"", "example.org", "//example.org", "/path", "ftp://example.org", "file:///etc/passwd", "gopher://example.org", "https:example.org", "https://",
		"https:///path", "https://:443", "https://user@example.org", "https://user:topsecret@example.org", "https://example.org:0", "https://example.org:65536",
		"https://example.org:x", "https://example.org:", "https://exa mple.org", "https://example.org\\@10.0.0.1", "https://ñ.example.org", "https://example.org/\n",
		"https://example.org/" + strings.Repeat("a", 2048), "https://1.2.3.4.5", "https://256.256.256.256", "https://.", "https://[::1", "javascript:alert(1)",
	} {
		err := c.CheckURL(bad)
		wantCode(t, err, AddressRefused)
		if err != nil && strings.Contains(err.Error(), "topsecret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	for _, good := range []string{
		"https://example.org", "HTTPS://EXAMPLE.ORG:8443/a?b=c#d", "https://10.1.2.3/", "http://10.1.2.3:8080", "https://[::ffff:10.1.2.3]", "https://8.8.8.8", "https://[2606:4700::1111]:443/",
		"https://xn--maana-pta.example.org", "https://example.org.", "http://inside.example.org",
	} {
		if err := c.CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

// A name that is public when it is checked may be private when it is called: only what is dialled counts.
func TestANameThatLeadsInside(t *testing.T) {
	t.Parallel()
	server := serve(t, httptest.NewTLSServer, func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") })
	c := client(t, "", server)
	for _, answer := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1"} {
		c.dialer.Resolver = resolver(t, netip.MustParseAddr(answer))
		_, err := c.Do(t.Context(), Request{URL: "https://public.example.org:" + port(server)})
		wantCode(t, err, AddressRefused)
	}
	c.dialer.Resolver = resolver(t, netip.Addr{})
	_, err := c.Do(t.Context(), Request{URL: "https://nowhere.example.org"})
	wantCode(t, err, Network)
}

func TestANameOfAnAllowedNetwork(t *testing.T) {
	t.Parallel()
	server := serve(t, httptest.NewTLSServer, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })
	c := client(t, "127.0.0.1/32", server)
	c.dialer.Resolver = resolver(t, netip.MustParseAddr("127.0.0.1"))
	got, err := c.Do(t.Context(), Request{URL: "https://example.com:" + port(server)}) // which httptest's certificate is for
	if err != nil || string(got.Body) != "example.com:"+port(server) {
		t.Errorf("%s, %v", got.Body, err)
	}
}

// resolver asks a name server that gives every name this address; the zero one says that there are no names.
func resolver(t testing.TB, ip netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		question := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			conn.WriteTo(dnsAnswer(question[:n], ip), from)
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// dnsAnswer answers one question (RFC 1035, section 4).
func dnsAnswer(question []byte, ip netip.Addr) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the last label, type and class
	kind := binary.BigEndian.Uint16(question[end-4:])
	answer := append([]byte{}, question[:end]...)
	copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	if !ip.IsValid() {
		answer[3] |= 3 // no such name
	} else if kind == 1 && ip.Is4() || kind == 28 && ip.Is6() {
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(ip.BitLen()/8))
		answer = append(answer, ip.AsSlice()...)
	}
	return answer
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	target := serve(t, httptest.NewTLSServer, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
		server := serve(t, httptest.NewTLSServer, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", target.URL)
			w.WriteHeader(status)
		})
		got, err := client(t, "127.0.0.0/8", server).Do(t.Context(), Request{Method: "POST", URL: server.URL, Body: []byte("x")})
		wantCode(t, err, Redirected)
		if errors.Is(err, ErrTooLarge) || got.Status != status || got.Header.Get("Location") != target.URL {
			t.Errorf("%d: %+v, %v", status, got, err)
		}
	}
}

func TestSlowServers(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	defer close(end)
	for name, handle := range map[string]http.HandlerFunc{
		"no answer": func(http.ResponseWriter, *http.Request) { <-end },
		"drops": func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := io.WriteString(w, "."); err != nil {
					return
				}
				http.NewResponseController(w).Flush()
				select {
				case <-end:
					return
				case <-time.After(time.Millisecond):
				}
			}
		},
	} {
		server := serve(t, httptest.NewTLSServer, handle)
		c := client(t, "127.0.0.0/8", server)
		c.options.Timeout = 200 * time.Millisecond
		var took []time.Duration // a busy machine is late for once
		for len(took) == 0 || slices.Min(took) > 5*time.Second && len(took) < 5 {
			got, err := c.Do(t.Context(), Request{URL: server.URL})
			wantCode(t, err, Timeout)
			took = append(took, got.Took)
		}
		if shortest := slices.Min(took); shortest < 200*time.Millisecond || shortest > 5*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := c.Do(ctx, Request{URL: server.URL})
		wantCode(t, err, Timeout)
		cancel()
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		_, err = c.Do(ctx, Request{URL: server.URL})
		if wantCode(t, err, Network); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHugeAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		write func(w http.ResponseWriter)
		want  Code
	}{
		"1 MiB": {func(w http.ResponseWriter) { w.Write(make([]byte, 1<<20)) }, ""},
		"announced": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "99999999")
			w.Write(make([]byte, 1<<20+1))
		}, TooLarge},
		"endless": {func(w http.ResponseWriter) {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}, TooLarge},
		"zipped": {func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "gzip"); w.Write([]byte("as it is")) }, ""},
		"header": {func(w http.ResponseWriter) { w.Header().Set("X", strings.Repeat("x", 100<<10)) }, Network},
	} {
		server := serve(t, httptest.NewTLSServer, func(w http.ResponseWriter, _ *http.Request) { c.write(w) })
		got, err := client(t, "127.0.0.0/8", server).Do(t.Context(), Request{URL: server.URL})
		if CodeOf(err) != c.want || c.want == "" && err != nil || c.want != "" && got.Body != nil || errors.Is(err, ErrTooLarge) != (c.want == TooLarge) {
			t.Errorf("%s: %d bytes, %v, want %q", name, len(got.Body), err, c.want)
		}
	}
}

func TestConnectionsThatAreNotSecure(t *testing.T) {
	t.Parallel()
	handle := func(http.ResponseWriter, *http.Request) { t.Error("the request arrived") }
	unknown := serve(t, httptest.NewTLSServer, handle)
	_, err := client(t, "127.0.0.0/8").Do(t.Context(), Request{URL: unknown.URL + "?token=topsecret"})
	wantCode(t, err, TLS)
	if authority := new(x509.UnknownAuthorityError); !errors.As(err, authority) || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("an unknown authority: %v", err)
	}
	c := client(t, "127.0.0.0/8", unknown)
	c.dialer.Resolver = resolver(t, netip.MustParseAddr("127.0.0.1"))
	_, err = c.Do(t.Context(), Request{URL: "https://other.example.org:" + port(unknown)})
	wantCode(t, err, TLS)

	plain := serve(t, httptest.NewServer, handle)
	_, err = client(t, "127.0.0.0/8").Do(t.Context(), Request{URL: "https://" + plain.Listener.Addr().String()})
	wantCode(t, err, TLS)

	for name, config := range map[string]*tls.Config{
		"old":               {MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10},
		"wants certificate": {ClientAuth: tls.RequireAnyClientCert},
		"same, with 1.2":    {ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12},
	} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(handle))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = config
		server.StartTLS()
		t.Cleanup(server.Close)
		_, err := client(t, "127.0.0.0/8", server).Do(t.Context(), Request{URL: server.URL})
		if CodeOf(err) != TLS {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConnectionsThatBreak(t *testing.T) {
	t.Parallel()
	gone := httptest.NewTLSServer(nil)
	gone.Close()
	_, err := client(t, "127.0.0.0/8").Do(t.Context(), Request{URL: gone.URL})
	wantCode(t, err, Network)

	server := serve(t, httptest.NewTLSServer, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err = client(t, "127.0.0.0/8", server).Do(t.Context(), Request{URL: server.URL})
	wantCode(t, err, Network)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close() // in the middle of the handshake
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	_, err = client(t, "127.0.0.0/8").Do(t.Context(), Request{URL: "https://" + listener.Addr().String()})
	wantCode(t, err, Network)
}

// The proxy of the environment would be dialled in place of what was checked.
func TestNoProxyIsUsed(t *testing.T) {
	c := New(Options{})
	if c.secure.Proxy != nil || c.plain.Proxy != nil {
		t.Error("there is a proxy")
	}
}

func TestAllowLists(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"", " ", "10.0.0.0/8,127.0.0.1/32", " 10.0.0.0/8 , fd00::/8,", "0.0.0.0/0", "::1/128"} {
		if _, err := ParseAllow(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"10.0.0.1": "10.0.0.1/32", "::1": "::1/128", "10.0.0.1/8": "10.0.0.0/8", "::ffff:10.0.0.0/104": "as IPv4", "10.0.0.0/33": "such as", "inside": `"inside"`,
		"10.0.0.0/8;127.0.0.1/32": "such as", "fe80::1%eth0": "such as", "10.0.0.0/8,x": `"x"`,
	} {
		if _, err := ParseAllow(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", bad, err, want)
		}
	}
}

func TestEveryRefusedNetworkIsRefusedToItsEnds(t *testing.T) {
	t.Parallel()
	c := client(t, "")
	for i, prefix := range refusedPrefixes {
		if prefix != prefix.Masked() {
			t.Errorf("%s begins inside of its network", prefix)
		}
		if err := c.check(plainAddr(prefix.Addr())); err == nil {
			t.Errorf("%s (%s) begins with an address that is not refused", prefix, refused[i].why)
		}
	}
	for _, public := range []string{"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255",
		"172.15.255.255", "172.32.0.0", "192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2000::1", "2001:200::1", "2606:4700::1111", "3ffe:ffff::1"} {
		if err := c.check(netip.MustParseAddr(public)); err != nil {
			t.Errorf("%s: %v", public, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, " 120 ": 2 * time.Minute, "86400": MaxRetryAfter, "86401": MaxRetryAfter, "99999999999999999999999": MaxRetryAfter,
		"-1": 0, "1.5": 0, "soon": 0, "Sun, 01 Mar 2026 12:01:30 GMT": 90 * time.Second, "Sunday, 01-Mar-26 12:01:30 GMT": 90 * time.Second,
		"Sun Mar  1 12:01:30 2026": 90 * time.Second, "Sun, 01 Mar 2026 11:00:00 GMT": 0, "Fri, 01 Jan 2100 00:00:00 GMT": MaxRetryAfter,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if got := RetryAfter(nil, now); got != 0 {
		t.Errorf("no header: %v", got)
	}
}
