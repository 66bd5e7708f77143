package outbound

import (
	"fmt"
	"net/netip"
	"strings"
)

// refused are the networks that the public Internet does not lead to, and those that lead elsewhere than they say: the special-purpose
// registries of IANA (RFC 6890 and what came after), and all of IPv6 that is not handed out (RFC 4291: global unicast is 2000::/3).
var refused = []struct{ network, why string }{
	{"0.0.0.0/8", "this network"},
	{"10.0.0.0/8", "private"},
	{"100.64.0.0/10", "shared by customers of a provider"},
	{"127.0.0.0/8", "this machine"},
	{"169.254.0.0/16", "link-local, where clouds keep credentials"},
	{"172.16.0.0/12", "private"},
	{"192.0.0.0/24", "protocol assignments"},
	{"192.0.2.0/24", "documentation"},
	{"192.31.196.0/24", "anycast of AS112"},
	{"192.52.193.0/24", "anycast of AMT"},
	{"192.88.99.0/24", "relays of 6to4"},
	{"192.168.0.0/16", "private"},
	{"192.175.48.0/24", "anycast of AS112"},
	{"198.18.0.0/15", "measuring"},
	{"198.51.100.0/24", "documentation"},
	{"203.0.113.0/24", "documentation"},
	{"224.0.0.0/4", "multicast"},
	{"240.0.0.0/4", "reserved, broadcast"},

	{"::/128", "unspecified"},
	{"::1/128", "this machine"},
	{"::/96", "IPv4 in an old form"},
	{"::ffff:0:0/96", "IPv4 in IPv6"}, // never met: what is in it is taken out before
	{"64:ff9b::/96", "translation to IPv4"},
	{"64:ff9b:1::/48", "translation to IPv4, local"},
	{"100::/64", "discarded"},
	{"2001::/23", "protocol assignments, tunnels of Teredo"},
	{"2001:db8::/32", "documentation"},
	{"2002::/16", "tunnels of 6to4"},
	{"2620:4f:8000::/48", "anycast of AS112"},
	{"3fff::/20", "documentation"},
	{"5f00::/16", "segment routing"},
	{"fc00::/7", "private"},
	{"fe80::/10", "link-local"},
	{"fec0::/10", "site-local"},
	{"ff00::/8", "multicast"},
	{"::/3", "not handed out"},
	{"4000::/2", "not handed out"},
	{"8000::/1", "not handed out"},
}

var refusedPrefixes = func() (prefixes []netip.Prefix) {
	for _, row := range refused {
		prefixes = append(prefixes, netip.MustParsePrefix(row.network))
	}
	return prefixes
}()

// plainAddr takes an IPv4 address out of IPv6, and a zone off: no prefix contains an address with one.
func plainAddr(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }

// allowed reports whether the configuration lists a network with the address.
func (c *Client) allowed(ip netip.Addr) bool {
	for _, prefix := range c.options.Allow {
		if prefix.Contains(ip) {
			return true
		}
	}
	return false
}

// check refuses an address that is neither public nor allowed.
func (c *Client) check(ip netip.Addr) error {
	if c.allowed(ip) {
		return nil
	}
	for i, prefix := range refusedPrefixes {
		if prefix.Contains(ip) {
			return refuse("%s is in %s (%s), which the configuration does not allow", ip, prefix, refused[i].why)
		}
	}
	return nil
}

// ParseAllow reads a list of networks, "10.20.0.0/16, 2001:db8:7::/48"; "" is none.
func ParseAllow(text string) (allow []netip.Prefix, err error) {
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(entry)
		if ip, isAddress := netip.ParseAddr(entry); err != nil && isAddress == nil && ip.Zone() == "" {
			return nil, fmt.Errorf("%q is an address, not a network: write %s/%d for it alone", entry, ip, ip.BitLen())
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is not a network such as 10.20.0.0/16", entry)
		case prefix.Addr().Is4In6():
			return nil, fmt.Errorf("%q is an IPv4 network written as IPv6: write it as IPv4", entry)
		case prefix != prefix.Masked():
			return nil, fmt.Errorf("%q begins inside of its network: write %s, or %s/%d for that address alone", entry, prefix.Masked(), prefix.Addr(), prefix.Addr().BitLen())
		}
		allow = append(allow, prefix)
	}
	return allow, nil
}
