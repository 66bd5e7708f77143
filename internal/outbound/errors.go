package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
)

// Code says what kind of failure a call met.
type Code string

const (
	AddressRefused Code = "ADDRESS_REFUSED" // the address, or what it resolves to, is not one we call
	Timeout        Code = "TIMEOUT"         // the time was up, for connecting or for all of it
	Network        Code = "NETWORK"         // no such name, no connection, or it broke
	TLS            Code = "TLS"             // the certificate, or the negotiation about encryption
	Redirected     Code = "REDIRECTED"      // an answer that sends us elsewhere
	TooLarge       Code = "TOO_LARGE"       // an answer of more than 1 MiB
)

// Error is the failure of a call. It never repeats the URL, which may have secrets in its query.
type Error struct {
	Code Code
	err  error // the cause
}

// ErrTooLarge is for errors.Is, which compares codes. CodeOf tells the others.
var ErrTooLarge = &Error{Code: TooLarge}

var sentences = map[Code]string{
	AddressRefused: "address refused",
	Timeout:        "no answer in time",
	Network:        "no connection",
	TLS:            "no secure connection",
	Redirected:     "the server redirects, which is not followed",
	TooLarge:       "answer of more than 1 MiB",
}

func (e *Error) Error() string {
	if e.err == nil {
		return sentences[e.Code]
	}
	return sentences[e.Code] + ": " + e.err.Error()
}

func (e *Error) Unwrap() error { return e.err }

// Is compares the codes.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// CodeOf is the code of an error of this package, "" for others.
func CodeOf(err error) Code {
	var e *Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}

func refuse(format string, args ...any) *Error {
	return &Error{Code: AddressRefused, err: fmt.Errorf(format, args...)}
}

// handshakeError marks what went wrong between the connection and the request.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }

// classify finds the code of what net/http gives.
func classify(ctx context.Context, err error) error {
	var (
		ours      *Error
		inURL     *url.Error
		handshake *handshakeError
		operation *net.OpError
		network   net.Error
	)
	if errors.As(err, &ours) {
		return ours // a refusal of the dialer's, within what net says about it
	}
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return &Error{Code: Timeout, err: err}
	case ctx.Err() != nil: // the caller has lost interest
		return &Error{Code: Network, err: ctx.Err()}
	case errors.As(err, &handshake):
		broken := errors.As(err, &operation) && (operation.Op == "read" || operation.Op == "write")
		if broken || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return &Error{Code: Network, err: handshake.error}
		}
		return &Error{Code: TLS, err: handshake.error}
	case errors.As(err, &operation) && operation.Op == "remote error": // a TLS 1.3 server that wants a certificate says so only now
		return &Error{Code: TLS, err: err}
	}
	return &Error{Code: Network, err: err}
}
