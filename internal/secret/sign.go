package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Sign returns a signature of the parts for a purpose ("report-download"), with the active key: 43 characters that a URL takes as they
// are. Each purpose has a key of its own, and parts are told apart: ("ab", "c") is not ("a", "bc").
func (k *Keyring) Sign(purpose string, parts ...string) string {
	return b64.EncodeToString(k.keys[0].sign(purpose, parts))
}

// Valid reports whether Sign gave this signature, with any key of the ring: links that were sent outlive a change of keys. An expiry is
// for the caller to sign as a part and to look at.
func (k *Keyring) Valid(purpose, signature string, parts ...string) bool {
	given, ok := decode(signature)
	if !ok {
		return false
	}
	valid := false
	for _, key := range k.keys {
		valid = hmac.Equal(given, key.sign(purpose, parts)) || valid
	}
	return valid
}

func (k key) sign(purpose string, parts []string) []byte {
	mac := hmac.New(sha256.New, k.derive(toSign+purpose))
	for _, part := range parts {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}
