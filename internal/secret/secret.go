// Package secret seals credentials that rest in the database, and signs links, with keys that can be changed.
//
// A sealed value is text of the form
//
//	v1:<key id>:<wrapped data key>:<ciphertext>
//
// Each value has a data key of its own (AES-256-GCM), which is wrapped by a key of the ring; so a change of keys rewraps 60 bytes per
// value and leaves the ciphertext as it is. Both are bound to the place of the value (AAD): moved elsewhere, it does not open. An older
// value of the same place does.
//
// Neither keys nor plaintext are ever in an error, and a Keyring does not print.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrUnknownKey says that a value is sealed with a key that the ring does not have (any more).
	ErrUnknownKey = errors.New("sealed with a key that is not in the ring")
	// ErrTampered says that a value is not what was sealed, or not in the place it was sealed for, or that a key was replaced by another
	// under the same id.
	ErrTampered = errors.New("sealed value is damaged, moved, or from another key")
)

// AAD is the place of a value. Table and column are names of ours, without "|".
type AAD struct{ Table, ID, Column string }

// bytes cannot be those of another place: the first and the last "|" are not part of a name.
func (a AAD) bytes() ([]byte, error) {
	if a.Table == "" || a.Column == "" || strings.Contains(a.Table+a.Column, "|") {
		return nil, errors.New("the place of a sealed value needs a table and a column, without \"|\"")
	}
	return []byte(a.Table + "|" + a.ID + "|" + a.Column), nil
}

// What is derived from a key of the ring is for one purpose only.
const (
	toWrap = "mesa/secret/v1/wrap"
	toSign = "mesa/secret/v1/sign/"
)

const (
	version      = "v1"
	keyBytes     = 32
	wrappedBytes = keyBytes + 28 // nonce and tag
)

// Seal encrypts a value for a place with the active key. It fails only for a place without names.
func (k *Keyring) Seal(place AAD, plaintext []byte) (string, error) {
	aad, err := place.bytes()
	if err != nil {
		return "", err
	}
	dataKey := make([]byte, keyBytes)
	rand.Read(dataKey)
	defer clear(dataKey)
	return format(k.keys[0].id, k.keys[0].wrap(dataKey, aad), gcm(dataKey).Seal(nil, nil, plaintext, aad)), nil
}

// Open decrypts what was sealed for this place with any key of the ring; else the error is ErrUnknownKey or ErrTampered.
func (k *Keyring) Open(place AAD, sealed string) ([]byte, error) {
	aad, err := place.bytes()
	if err != nil {
		return nil, err
	}
	dataKey, ciphertext, err := k.unwrap(aad, sealed)
	if err != nil {
		return nil, err
	}
	defer clear(dataKey)
	plaintext, err := gcm(dataKey).Open(nil, nil, ciphertext, aad)
	if err != nil {
		return nil, ErrTampered
	}
	return plaintext, nil
}

// unwrap returns the data key and the ciphertext.
func (k *Keyring) unwrap(aad []byte, sealed string) (dataKey, ciphertext []byte, err error) {
	id, wrapped, ciphertext, err := parse(sealed)
	if err != nil {
		return nil, nil, err
	}
	for _, key := range k.keys {
		if key.id == id {
			if dataKey, err = gcm(key.derive(toWrap)).Open(nil, nil, wrapped, key.bind(aad)); err != nil {
				return nil, nil, ErrTampered
			}
			return dataKey, ciphertext, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: %s", ErrUnknownKey, id)
}

func (k key) wrap(dataKey, aad []byte) []byte {
	return gcm(k.derive(toWrap)).Seal(nil, nil, dataKey, k.bind(aad))
}

// bind keeps a wrapped key from being taken for a value of the same place.
func (k key) bind(aad []byte) []byte { return append([]byte("data key|"+k.id+"|"), aad...) }

func (k key) derive(purpose string) []byte {
	derived, err := hkdf.Key(sha256.New, k.secret(), nil, purpose, keyBytes)
	if err != nil {
		panic("secret: derive a key: " + err.Error()) // only for a hash that may not be used, or too long a key
	}
	return derived
}

// gcm draws its nonces by itself. A data key encrypts once; a wrapping key may do so four billion times before that matters.
func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("secret: a key of another size")
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("secret: AES-GCM: " + err.Error())
	}
	return aead
}

// Strict, so that no value has two spellings.
var b64 = base64.RawURLEncoding.Strict()

func decode(text string) ([]byte, bool) {
	b, err := b64.DecodeString(text)
	return b, err == nil && !strings.ContainsAny(text, "\r\n") // which the decoder skips
}

func format(id string, wrapped, ciphertext []byte) string {
	return version + ":" + id + ":" + b64.EncodeToString(wrapped) + ":" + b64.EncodeToString(ciphertext)
}

func parse(sealed string) (id string, wrapped, ciphertext []byte, err error) {
	parts := strings.Split(sealed, ":")
	if len(parts) != 4 || parts[0] != version || !validID(parts[1]) {
		return "", nil, nil, ErrTampered
	}
	wrapped, ok := decode(parts[2])
	if !ok || len(wrapped) != wrappedBytes {
		return "", nil, nil, ErrTampered
	}
	if ciphertext, ok = decode(parts[3]); !ok {
		return "", nil, nil, ErrTampered
	}
	return parts[1], wrapped, ciphertext, nil
}
