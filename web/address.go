package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/mesapartes/mesa/mesa"
)

// sender is the address that a request comes from, of which trusted proxies say who sent it to them. What anybody else says in
// X-Forwarded-For is not believed. It is not valid for a connection without an address.
func (s *Server) sender(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip := from.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		before, known := hopOf(strings.TrimSpace(hop))
		if !known || !s.trusts(ip) {
			break
		}
		ip = before.Unmap()
	}
	return ip.WithZone("")
}

// hopOf reads an address as proxies write it, which some do with the port.
func hopOf(text string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr(), true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return ip, err == nil
}

// address is what a request is counted under when nobody is signed in: where it comes from. An IPv6 network of 64 bits is one address: it
// belongs to one customer.
func address(r *http.Request, ip netip.Addr) string {
	switch {
	case !ip.IsValid():
		return r.RemoteAddr
	case ip.Is6():
		network, _ := ip.Prefix(64)
		return network.String()
	}
	return ip.String()
}

// origin is where a request comes from, for the audit trail.
func origin(w http.ResponseWriter, r *http.Request, ip netip.Addr) mesa.Origin {
	from := mesa.Origin{RequestID: w.Header().Get("X-Request-Id"), Client: r.UserAgent()}
	if ip.IsValid() {
		from.Address = ip.String()
	}
	from.Client = strings.ToValidUTF8(from.Client[:min(len(from.Client), mesa.MaxClient)], "")
	return from
}

func (s *Server) trusts(ip netip.Addr) bool {
	return slices.ContainsFunc(s.Proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}
