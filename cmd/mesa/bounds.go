package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/alecthomas/kong"

	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/rate"
)

// bounds are the settings of what one caller may ask for.
type bounds struct {
	Limits           []string      `env:"MESA_LIMITS" help:"Limits of one operation that differ from docs/limits.md, such as depth=12,cost=80000."`
	OperationTimeout time.Duration `default:"30s" env:"MESA_OPERATION_TIMEOUT" help:"How long a query or mutation may take, its statements included; 0 is without end."`
	RateUser         string        `default:"${rate_user}" env:"MESA_RATE_USER" help:"Weighted operations of a person: N/s, N/m, N/h or N/d, several separated by commas; off counts none."`
	RateKey          string        `default:"${rate_key}" env:"MESA_RATE_KEY" help:"Weighted operations of an API key."`
	RateSubmit       string        `default:"${rate_submit}" env:"MESA_RATE_SUBMIT" help:"Documents that an API key hands in."`
	RateSignIn       string        `default:"${rate_signIn}" env:"MESA_RATE_SIGN_IN" help:"Attempts to sign in from an address."`
	RateAddress      string        `default:"${rate_address}" env:"MESA_RATE_ADDRESS" help:"Weighted operations of strangers from an address, and texts from there that are wrong."`
	NoRates          bool          `env:"MESA_NO_RATES" help:"Count no operations."`
	TrustedProxies   string        `env:"MESA_TRUSTED_PROXIES" help:"Networks of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8, separated by commas; default: none."`
}

// limiter counts operations, together with the other processes on the same Redis.
func (b *bounds) limiter(s *settings, log *slog.Logger) (*rate.Limiter, error) {
	if b.NoRates {
		return nil, nil
	}
	limits := map[string]rate.Windows{}
	for class, text := range map[string]string{
		graph.RateUser: b.RateUser, graph.RateKey: b.RateKey, graph.RateSubmit: b.RateSubmit, graph.RateSignIn: b.RateSignIn, graph.RateAddress: b.RateAddress,
	} {
		windows, err := rate.ParseWindows(text)
		if err != nil {
			return nil, fmt.Errorf("rate of %s: %w", class, err)
		}
		limits[class] = windows
	}
	return rate.New(rate.Options{Limits: limits, Redis: s.RedisURL, Prefix: s.RedisPrefix, Log: log})
}

// rateDefaults are the variables in the tags above.
func rateDefaults() kong.Vars {
	v := kong.Vars{}
	for _, row := range graph.RateTable {
		v["rate_"+row.Class] = row.Default
	}
	return v
}
