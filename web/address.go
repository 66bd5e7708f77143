package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// address is what a request is counted under when nobody is signed in: the address that it comes from, of which trusted proxies say who sent it
// to them. What anybody else says in X-Forwarded-For is not believed. An IPv6 network of 64 bits is one address: it belongs to one customer.
func (s *Server) address(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip := from.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		before, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil || !s.trusts(ip) {
			break
		}
		ip = before.Unmap()
	}
	if ip.Is6() {
		network, _ := ip.WithZone("").Prefix(64)
		return network.String()
	}
	return ip.String()
}

func (s *Server) trusts(ip netip.Addr) bool {
	return slices.ContainsFunc(s.Proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}
