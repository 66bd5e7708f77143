// Package outbound calls servers of other institutions whose address an administrator typed.
//
// Such an address must not lead inside: to this machine, to its network, to the cloud's metadata service. What counts is the IP address
// that is dialled, after every name and spelling is resolved (addresses.go); networks that are wanted all the same are listed in the
// configuration. Nothing else of a call is left to the other side either: its time, the size of its answer, where it sends us.
package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options of a Client. The zero value calls public addresses only.
type Options struct {
	Allow     []netip.Prefix // networks that may be called although they are private, see ParseAllow; by http:// too
	UserAgent string         // of requests that do not bring their own; "" is "mesa"
	Timeout   time.Duration  // of a whole call, answer included; 0 is 20 s
}

const (
	defaultTimeout = 20 * time.Second
	dialTimeout    = 5 * time.Second
	maxBody        = 1 << 20
	maxHeader      = 64 << 10
	maxURL         = 2048
)

// Client makes calls. It may be used by many goroutines.
type Client struct {
	options Options
	dialer  net.Dialer      // without a guard; each transport adds its own
	secure  *http.Transport // for https
	plain   *http.Transport // for http, which reaches allowed networks only
	tls     *tls.Config
}

// New makes a client. It touches nothing.
func New(options Options) *Client {
	if options.Timeout <= 0 {
		options.Timeout = defaultTimeout
	}
	if options.UserAgent == "" {
		options.UserAgent = "mesa"
	}
	c := &Client{options: options, dialer: net.Dialer{Timeout: dialTimeout}, tls: &tls.Config{MinVersion: tls.VersionTLS12}}
	c.secure, c.plain = transport(), transport()
	c.secure.DialTLSContext = c.dialTLS
	c.plain.DialContext = c.dialPlain
	return c
}

func transport() *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // the address that is checked would be the proxy's
		DisableCompression:     true,
		MaxIdleConns:           20,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// Close ends the connections that are kept for the next call. The client stays usable.
func (c *Client) Close() {
	c.secure.CloseIdleConnections()
	c.plain.CloseIdleConnections()
}

func (c *Client) dialPlain(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := c.dialer
	dialer.Control = func(_, address string, _ syscall.RawConn) error {
		if ip, err := dialled(address); err != nil {
			return err
		} else if !c.allowed(ip) {
			return refuse("http:// reaches only networks that the configuration allows, and %s is in none: use https://", ip)
		}
		return nil
	}
	return dialer.DialContext(ctx, network, address)
}

func (c *Client) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := c.dialer
	dialer.Control = func(_, address string, _ syscall.RawConn) error {
		ip, err := dialled(address)
		if err != nil {
			return err
		}
		return c.check(ip)
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := c.tls.Clone()
	if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
		conn.Close()
		return nil, err
	}
	secured := tls.Client(conn, config)
	handshake, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := secured.HandshakeContext(handshake); err != nil {
		conn.Close()
		return nil, &handshakeError{err}
	}
	return secured, nil
}

// dialled reads the address that the dialer is about to connect to.
func dialled(address string) (netip.Addr, error) {
	where, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Addr{}, refuse("not an IP address") // cannot be: names are resolved by now
	}
	return plainAddr(where.Addr()), nil
}

// CheckURL says why a URL will not be called: for the person who types it, before it is stored. That it says nothing is no promise,
// since names are resolved when they are called. The error is an *Error with AddressRefused.
func (c *Client) CheckURL(raw string) error {
	_, err := c.parse(raw)
	return err
}

func (c *Client) parse(raw string) (*url.URL, error) {
	if len(raw) > maxURL {
		return nil, refuse("the address has more than %d characters", maxURL)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, refuse("the address is not a URL") // the parser's error would repeat it, with what it has of passwords
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "":
		return nil, refuse("the address does not begin with https://")
	case host == "":
		return nil, refuse("the address has no host")
	case u.User != nil:
		return nil, refuse("the address has a user or password in it")
	case strings.ContainsFunc(host, func(r rune) bool { return r > '~' || r <= ' ' }):
		return nil, refuse("the host has other characters than ASCII: write it in its xn-- form")
	case !validPort(u.Port()) || strings.HasSuffix(u.Host, ":"):
		return nil, refuse("the port is not a number from 1 to 65535")
	case u.Scheme == "http" && len(c.options.Allow) == 0:
		return nil, refuse("the address does not begin with https://")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = plainAddr(ip)
		if u.Scheme == "http" && !c.allowed(ip) {
			return nil, refuse("http:// reaches only networks that the configuration allows, and %s is in none: use https://", ip)
		}
		return u, c.check(ip)
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if (name == "localhost" || strings.HasSuffix(name, ".localhost")) && !c.allowed(loopback4) && !c.allowed(netip.IPv6Loopback()) {
		return nil, refuse("the host is this machine, which the configuration does not allow")
	}
	// "127.1", "0x7f000001", "2130706433": resolvers take them for addresses, each in its way; nobody needs them.
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "" || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return nil, refuse("the host is neither a name nor an address in the usual form")
	}
	return u, nil
}

var loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// Request is one call.
type Request struct {
	Method string // "" is GET
	URL    string
	Header http.Header
	Body   []byte // sent as these bytes, again if a kept connection turns out to be closed
}

// Response is what came back.
type Response struct {
	Status             int
	Header             http.Header
	Body               []byte
	RemoteAddr         string // address and port that answered
	Took               time.Duration
	CertificateExpires time.Time     // zero for http
	RetryAfter         time.Duration // what the other side asks for, see RetryAfter; 0 when it asks for nothing
}

// Do makes a call and reads the whole answer. A status of 400 and more is an answer, no error; any 3xx is Redirected, for nothing is
// followed. An error is an *Error; the response then has what is known, in any case Took.
func (c *Client) Do(ctx context.Context, request Request) (response Response, err error) {
	start := time.Now()
	defer func() { response.Took = time.Since(start) }()
	u, err := c.parse(request.URL)
	if err != nil {
		return response, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) { response.RemoteAddr = got.Conn.RemoteAddr().String() },
	})
	r, err := http.NewRequestWithContext(ctx, request.Method, u.String(), bytes.NewReader(request.Body))
	if err != nil {
		return response, refuse("the request is not one of HTTP")
	}
	for name, values := range request.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", c.options.UserAgent)
	}
	road := c.secure
	if u.Scheme == "http" {
		road = c.plain
	}
	answer, err := road.RoundTrip(r)
	if err != nil {
		return response, classify(ctx, err)
	}
	defer answer.Body.Close()
	response.Status, response.Header = answer.StatusCode, answer.Header
	response.RetryAfter = RetryAfter(answer.Header, time.Now())
	if answer.TLS != nil && len(answer.TLS.PeerCertificates) > 0 {
		response.CertificateExpires = answer.TLS.PeerCertificates[0].NotAfter
	}
	if answer.StatusCode >= 300 && answer.StatusCode < 400 {
		return response, &Error{Code: Redirected, err: fmt.Errorf("status %d", answer.StatusCode)}
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	if err != nil {
		return response, classify(ctx, err)
	}
	if len(body) > maxBody {
		return response, ErrTooLarge
	}
	response.Body = body
	return response, nil
}

// MaxRetryAfter is the longest wait that the other side can ask for.
const MaxRetryAfter = 24 * time.Hour

// RetryAfter reads the Retry-After of an answer, seconds or a date, as the time to wait from now: 0 when there is none, or none that can
// be read, and at most MaxRetryAfter.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text != "" && strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseUint(text, 10, 63)
		if err != nil || seconds > uint64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}
