package testkit

import (
	"context"
	"fmt"

	"github.com/mesapartes/mesa/internal/testkit/server"
)

// private starts a private server. The caller must keep it: letting go of it would stop it.
func private(service server.Service) (*server.Server, error) {
	if err := service.Installed(); err != nil {
		return nil, fmt.Errorf("%w; \"make test\" installs it (on Debian, if it is a package), or set %s to the URL of a server (%s)", err, service.Env, service.Other)
	}
	s, err := service.Start(context.Background())
	if err != nil {
		return nil, fmt.Errorf("start a private %s: %w", service.Name, err)
	}
	return s, nil
}
