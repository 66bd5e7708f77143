package web

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestTheAddressOfARequest(t *testing.T) {
	s := &Server{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for _, c := range []struct {
		name, from string
		forwarded  []string
		want       string
	}{
		{"without a proxy", "203.0.113.7:5000", nil, "203.0.113.7"},
		{"a stranger who says to be another", "203.0.113.7:5000", []string{"198.51.100.1"}, "203.0.113.7"},
		{"behind a proxy", "10.1.1.1:5000", []string{"203.0.113.7"}, "203.0.113.7"},
		{"behind two proxies", "10.1.1.1:5000", []string{"203.0.113.7, 10.2.2.2"}, "203.0.113.7"},
		{"in two lines", "10.1.1.1:5000", []string{"203.0.113.7", "10.2.2.2"}, "203.0.113.7"},
		{"behind a proxy, saying to be another", "10.1.1.1:5000", []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		{"a proxy that says nothing", "10.1.1.1:5000", nil, "10.1.1.1"},
		{"a proxy that says nonsense", "10.1.1.1:5000", []string{"unknown"}, "10.1.1.1"},
		{"IPv4 written as IPv6", "[::ffff:203.0.113.7]:5000", nil, "203.0.113.7"},
		{"IPv6", "[2001:db8:1:2:3:4:5:6]:5000", nil, "2001:db8:1:2::/64"},
		{"IPv6 behind a proxy", "[fd00::1]:5000", []string{"2001:db8:1:2::1"}, "2001:db8:1:2::/64"},
		{"proxies that write ports", "10.1.1.1:5000", []string{"203.0.113.7:41000, 10.2.2.2:80"}, "203.0.113.7"},
		{"IPv6 with a port", "[fd00::1]:5000", []string{"[2001:db8:1:2::1]:41000"}, "2001:db8:1:2::/64"},
		{"IPv6 in brackets", "[fd00::1]:5000", []string{"[2001:db8:1:2::1]"}, "2001:db8:1:2::/64"},
		{"IPv6 with a zone", "[fe80::1%eth0]:5000", nil, "fe80::/64"},
		{"no address", "@", nil, "@"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/graphql", nil)
		r.RemoteAddr = c.from
		for _, line := range c.forwarded {
			r.Header.Add("X-Forwarded-For", line)
		}
		if got := address(r, s.sender(r)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
