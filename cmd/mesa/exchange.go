package main

import (
	"context"
	"fmt"
	"time"

	"github.com/mesapartes/mesa/internal/exchange"
	"github.com/mesapartes/mesa/internal/outbound"
	"github.com/mesapartes/mesa/internal/secret"
	"github.com/mesapartes/mesa/mesa"
)

// startExchange makes the process able to call other institutions. It fails when their keys are in the database and cannot be opened.
func (s *settings) startExchange(ctx context.Context, st *store) error {
	if s.ExchangeScale != 1 && s.Mode == "production" {
		return fmt.Errorf("the waits of the exchange cannot be scaled in production: unset MESA_EXCHANGE_SCALE or MESA_MODE")
	}
	if s.ExchangeScale <= 0 {
		return fmt.Errorf("the waits of the exchange cannot be scaled by %v", s.ExchangeScale)
	}
	allow, err := outbound.ParseAllow(s.OutboundAllow)
	if err != nil {
		return fmt.Errorf("MESA_OUTBOUND_ALLOW: %w", err)
	}
	st.peers = exchange.New(s.sealing, outbound.New(outbound.Options{Allow: allow, UserAgent: "mesa/" + version, Timeout: mesa.MaxTimeoutSeconds * time.Second}))
	all, err := st.AllIntegrations(ctx, false)
	if err != nil {
		return err
	}
	for _, i := range all {
		if err := st.peers.Check(i); err != nil {
			return fmt.Errorf("the key of integration %s cannot be opened: %w. Is its key in MESA_KEYS?", i.Code, err)
		}
	}
	return nil
}

// sealing are the keys that seal credentials: those of the installation, but in production only if they were set; a file beside the database
// would be in the same backup as what it seals. nil when there are none.
func (s *settings) sealing() (*secret.Keyring, error) {
	if s.Keys == "" && s.Mode == "production" {
		return nil, nil
	}
	return s.keyring()
}
