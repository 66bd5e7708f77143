package graph

import (
	"context"
	"errors"
	"log/slog"

	"github.com/99designs/gqlgen/graphql"

	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph/model"
	"github.com/mesapartes/mesa/mesa"
)

func documentPayload(doc *mesa.Document, err error) (*model.DocumentPayload, error) {
	if err != nil {
		return nil, err
	}
	return &model.DocumentPayload{Document: doc}, nil
}

func derivationPayload(leg *mesa.Derivation, err error) (*model.DerivationPayload, error) {
	if err != nil {
		return nil, err
	}
	return &model.DerivationPayload{Derivation: leg}, nil
}

func sendBackPayload(leg, back *mesa.Derivation, err error) (*model.SendBackPayload, error) {
	if err != nil {
		return nil, err
	}
	return &model.SendBackPayload{Derivation: leg, Returned: back}, nil
}

func keySecretPayload(key *mesa.APIKey, secret string, err error) (*model.APIKeySecretPayload, error) {
	if err != nil {
		return nil, err
	}
	payload := &model.APIKeySecretPayload{APIKey: key}
	if secret != "" {
		payload.Secret = &secret
	}
	return payload, nil
}

func userPayload(user *mesa.User, err error) (*model.UserPayload, error) {
	if err != nil {
		return nil, err
	}
	return &model.UserPayload{User: user}, nil
}

func userPasswordPayload(user *mesa.User, password string, err error) (*model.UserPasswordPayload, error) {
	if err != nil {
		return nil, err
	}
	payload := &model.UserPasswordPayload{User: user}
	if password != "" {
		payload.Password = &password
	}
	return payload, nil
}

func areaPayload(area *mesa.Area, err error) (*model.AreaPayload, error) {
	if err != nil {
		return nil, err
	}
	return &model.AreaPayload{Area: area}, nil
}

// outcome is what became of one item of a bulk mutation. An internal error is logged and told like any other.
func outcome(ctx context.Context, log *slog.Logger, err error) (ok bool, code, message *string) {
	if err == nil {
		return true, nil, nil
	}
	e, ours := errors.AsType[*mesa.Error](err)
	if !ours {
		id := newErrorID()
		log.ErrorContext(ctx, "internal error", "id", id, "error", err)
		e = internal(id)
	}
	return false, ptr(string(e.Code)), ptr(e.In(locale(ctx)))
}

func bulkDeriveResults(ctx context.Context, log *slog.Logger, results []desk.Result[mesa.DocumentID]) []*model.BulkDeriveResult {
	list := make([]*model.BulkDeriveResult, len(results))
	for i, r := range results {
		ok, code, message := outcome(ctx, log, r.Err)
		list[i] = &model.BulkDeriveResult{DocumentID: string(r.ID), Ok: ok, Code: code, Message: message, Derivations: r.Legs}
	}
	return list
}

func bulkDocumentResults(ctx context.Context, log *slog.Logger, results []desk.Result[mesa.DocumentID]) []*model.BulkDocumentResult {
	list := make([]*model.BulkDocumentResult, len(results))
	for i, r := range results {
		ok, code, message := outcome(ctx, log, r.Err)
		list[i] = &model.BulkDocumentResult{DocumentID: string(r.ID), Ok: ok, Code: code, Message: message}
	}
	return list
}

func bulkDerivationResults(ctx context.Context, log *slog.Logger, results []desk.Result[mesa.DerivationID]) []*model.BulkDerivationResult {
	list := make([]*model.BulkDerivationResult, len(results))
	for i, r := range results {
		ok, code, message := outcome(ctx, log, r.Err)
		list[i] = &model.BulkDerivationResult{DerivationID: string(r.ID), Ok: ok, Code: code, Message: message}
	}
	return list
}

// givenFields names the fields that the present mutation's input has, null ones too.
func givenFields(ctx context.Context) []string {
	field := graphql.GetFieldContext(ctx).Field
	input, _ := field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)["input"].(map[string]any)
	names := make([]string, 0, len(input))
	for name := range input {
		names = append(names, name)
	}
	return names
}

// nilIfNotFound turns NotFound into nothing, for queries whose answer to it is null.
func nilIfNotFound[T any](v *T, err error) (*T, error) {
	if mesa.CodeOf(err) == mesa.NotFound {
		return nil, nil
	}
	return v, err
}

func pointers[T any](values []T) []*T {
	list := make([]*T, len(values))
	for i := range values {
		list[i] = &values[i]
	}
	return list
}

func rolesOf(a *mesa.Actor) []*mesa.Role {
	list := make([]*mesa.Role, len(a.Roles))
	for i, code := range a.Roles {
		list[i] = mesa.RoleOf(code)
	}
	return list
}

const maxCalendarDays = 400

func calendar(c *mesa.Calendar, from, to mesa.Date) ([]*mesa.CalendarDate, error) {
	switch {
	case to < from:
		return nil, mesa.Invalid("to", "El fin del período es anterior a su inicio.")
	case to-from >= maxCalendarDays:
		return nil, mesa.Fail(mesa.LimitExceeded, "to", "El calendario muestra %d días como máximo.", maxCalendarDays).With("limit", maxCalendarDays)
	}
	return pointers(c.Dates(from, to)), nil
}

// visibleArea is an area that the actor may look at: NotFound when there is none, Forbidden when it is not theirs.
func (r *Resolver) visibleArea(ctx context.Context, id string) (mesa.AreaID, error) {
	area := catalogueOf(ctx).Area(mesa.AreaID(id))
	if area == nil {
		return "", mesa.ErrNotFound("areaId")
	}
	mesa.Saw(ctx)
	if actor := viewOf(ctx).Actor(); !actor.SeesArea(area.ID) {
		return "", r.Desk.Deny(ctx, actor, mesa.ErrForbidden(mesa.MayReadDocuments))
	}
	return area.ID, nil
}

func ptr[T any](v T) *T { return &v }
