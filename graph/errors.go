package graph

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/mesa"
)

// present turns an error into what a client is told. Ours bring code, field and sentence; the schema's own (wrong query, wrong
// variable) stay, without the values in it; a value that its type refuses is VALIDATION_FAILED; what failed after the operation's time was
// over is TIMEOUT; everything else is logged under an id and told as INTERNAL with that id.
func (r *Resolver) present() graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		theirs, _ := errors.AsType[*gqlerror.Error](err)
		field := inputField(ctx, theirs)
		if ours, ok := errors.AsType[*mesa.Error](err); ok {
			if ours.Field == "" {
				named := *ours
				named.Field, ours = field, &named
			}
			return tell(ctx, ours, graphql.GetPath(ctx))
		}
		switch {
		case theirs != nil && theirs.Err == nil:
			return withoutValues(theirs)
		case field != "":
			return tell(ctx, mesa.Invalid(field, "El valor no tiene la forma que este campo espera."), graphql.GetPath(ctx)) // what Go says names its types
		}
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			return &gqlerror.Error{Message: "canceled", Path: graphql.GetPath(ctx), Extensions: map[string]any{"code": string(mesa.Canceled)}}
		}
		if context.Cause(ctx) == errTimeout {
			r.Log.WarnContext(ctx, "operation timed out", "path", graphql.GetPath(ctx).String(), "error", err)
			return tell(ctx, r.timedOut(), graphql.GetPath(ctx))
		}
		id := newErrorID()
		r.Log.ErrorContext(ctx, "internal error", "id", id, "path", graphql.GetPath(ctx).String(), "error", err)
		return tell(ctx, internal(id), graphql.GetPath(ctx))
	}
}

// echoes are the sentences of the parser and the validator that repeat what the client wrote, each with what is told instead. They quote a
// whole input object, and what comes behind a wrong escape: passwords too.
var echoes = []struct {
	said *regexp.Regexp
	told string
}{
	{regexp.MustCompile(`(?s)^(.*\b(?:Name|Int|Float|String|BlockString|Comment)) ".*"$`), "$1"},
	{regexp.MustCompile(`(?s)^((?:Invalid|Cannot) [^:]*): .*$`), "$1"},
	{regexp.MustCompile(`(?s)^(Expected value of type "[^"]*"), found .*$`), "$1."},
	{regexp.MustCompile(`(?s)^(.*? cannot represent a? ?[\w -]+) value: .*$`), "$1 value."},
	{regexp.MustCompile(`(?s)^Value ".*" does not exist in ("[^"]*" enum\..*)$`), "The value does not exist in $1"},
	{regexp.MustCompile(`(?s)^.* is not a valid (\w+)$`), "is not a valid $1"},
	{regexp.MustCompile(`(?s)^cannot use \S+ as ID: .*$`), "cannot use a number beyond 2^53-1 as ID"},
}

// withoutValues keeps what the client wrote out of an error of the schema. Where it stands is told, and of which type it should be.
func withoutValues(e *gqlerror.Error) *gqlerror.Error {
	if code, _ := e.Extensions["code"].(string); code != string(mesa.ParseFailed) && code != string(mesa.SchemaValidationFailed) {
		return e
	}
	for _, echo := range echoes {
		if echo.said.MatchString(e.Message) {
			silent := *e
			silent.Message = echo.said.ReplaceAllString(e.Message, echo.told)
			return &silent
		}
	}
	return e
}

// withoutSuggestions keeps names of the schema out of errors: whoever may not explore it shall not learn them by guessing. The switch of
// the validator leaves some in.
func withoutSuggestions(present graphql.ErrorPresenterFunc) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		e := present(ctx, err)
		if said, _, suggests := strings.Cut(e.Message, " Did you mean"); suggests {
			short := *e
			short.Message, e = said, &short
		}
		return e
	}
}

// inputField is the place in the input where a value was refused, such as "sender.kind"; "" when the error came from elsewhere. The
// executor marks such an error with a path that goes on below the present field.
func inputField(ctx context.Context, e *gqlerror.Error) string {
	depth := len(graphql.GetPath(ctx))
	if e == nil || len(e.Path) <= depth {
		return ""
	}
	return strings.TrimPrefix(e.Path[depth:].String(), "input.")
}

func internal(id string) *mesa.Error {
	return mesa.Fail(mesa.Internal, "", "Ocurrió un error interno (referencia %s).", id).With("id", id)
}

func newErrorID() string {
	b := make([]byte, 8)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func tell(ctx context.Context, e *mesa.Error, path ast.Path) *gqlerror.Error {
	return &gqlerror.Error{Message: e.In(locale(ctx)), Path: path, Extensions: extensions(ctx, e)}
}

// extensions are the facts for programs.
func extensions(ctx context.Context, e *mesa.Error) map[string]any {
	x := map[string]any{"code": string(e.Code)}
	if e.Field != "" {
		x["field"] = e.Field
	}
	for k, v := range e.Details {
		x[k] = v
	}
	if len(e.Violations) > 0 {
		list := make([]map[string]any, len(e.Violations))
		for i, v := range e.Violations {
			list[i] = map[string]any{"code": string(v.Code), "field": v.Field, "message": v.In(locale(ctx))}
		}
		x["violations"] = list
	}
	return x
}

// recovered logs a panic once, with its stack, and makes it an internal error.
func recovered(log *slog.Logger) graphql.RecoverFunc {
	return func(ctx context.Context, cause any) error {
		id := newErrorID()
		log.ErrorContext(ctx, "panic", "id", id, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
		return internal(id)
	}
}
