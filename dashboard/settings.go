package dashboard

import (
	"context"
	"net/http"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/workspace"
)

type workspaceOutput struct{ Body Workspace }

func (s *Server) getWorkspace(ctx context.Context, in *placeInput) (*workspaceOutput, error) {
	w, err := s.parts.Directory.Workspace(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "read workspace", err)
	}
	return &workspaceOutput{Workspace(w)}, nil
}

type changeWorkspaceInput struct {
	Place
	Body struct {
		Name     string `json:"name,omitempty" maxLength:"200"`
		Timezone string `json:"timezone,omitempty" maxLength:"64" doc:"An IANA name." example:"Europe/Paris"`
		Currency string `json:"currency,omitempty" maxLength:"3" doc:"ISO 4217. Another one removes the rates, which are in the former: give new ones with the settings. Every value is converted anew: see their progress." example:"EUR"`
	}
}

func (s *Server) changeWorkspace(ctx context.Context, in *changeWorkspaceInput) (*workspaceOutput, error) {
	w, err := s.parts.Directory.ChangeWorkspace(ctx, in.Workspace, func(w *workspace.Workspace) error {
		replace(&w.Name, in.Body.Name)
		replace(&w.Timezone, in.Body.Timezone)
		replace(&w.Currency, in.Body.Currency)
		return nil
	})
	if err != nil {
		return nil, s.fail(ctx, "change workspace", err)
	}
	return &workspaceOutput{Workspace(w)}, nil
}

// replace sets a field to what was given, if anything was.
func replace[T comparable](field *T, given T) {
	var nothing T
	if given != nothing {
		*field = given
	}
}

// Settings are what a workspace has decided about the meaning of its data.
type Settings struct {
	Revision           int64                 `json:"revision" doc:"Rises by one with every change. 0: nothing was ever decided."`
	Currency           string                `json:"currency" doc:"The workspace's, in which values are summed."`
	Sessions           workspace.Sessions    `json:"sessions" doc:"When a visit ends to which the client has given no id."`
	Attribution        workspace.Attribution `json:"attribution" doc:"Which visits count towards a conversion."`
	ReconciliationKeys []string              `json:"reconciliation_keys" nullable:"false" doc:"Users who have the same value of one of these fields are one person, as far as a secret key says it." example:"[\"email\"]"`
	BlockedIDs         []string              `json:"blocked_ids" nullable:"false" doc:"Ids that never join anybody, besides those that are sent by mistake everywhere."`
	Browsers           workspace.Browsers    `json:"browsers" doc:"What a write key may do, which anybody has who reads a page."`
	Goals              []order.Goal          `json:"goals" nullable:"false" doc:"Events that are conversions. Orders always are."`
	Rates              []Rate                `json:"rates" nullable:"false" doc:"What other currencies are worth in the workspace's."`
	Progress           *Progress             `json:"progress,omitempty" doc:"Absent if this server cannot tell."`
}

// Rate is what a unit of a currency is worth in the workspace's, from an instant
// until the next rate of it.
type Rate struct {
	Currency string      `json:"currency" example:"GBP"`
	From     weir.Micros `json:"from,omitempty" doc:"Default: since ever."`
	Rate     string      `json:"rate" doc:"A decimal number." example:"1.17"`
}

// Progress says how far the past follows the settings.
type Progress struct {
	Revision int64 `json:"revision" doc:"The revision of the settings that history is being derived by, or was."`
	Applied  int64 `json:"applied" doc:"The revision that all of history is derived by."`
	Complete bool  `json:"complete" doc:"All of history follows the settings in force."`
	Done     int64 `json:"done" doc:"What is done of the total."`
	Total    int64 `json:"total" doc:"0 if nothing is under way, or it is not known."`
}

func (s *Server) newSettings(ctx context.Context, ws weir.WorkspaceID, from *workspace.Settings) (*Settings, error) {
	out := &Settings{
		Revision: from.Revision, Currency: from.Currency, Sessions: from.Sessions, Attribution: from.Attribution,
		ReconciliationKeys: append([]string{}, from.ReconciliationKeys...), BlockedIDs: append([]string{}, from.BlockedIDs...),
		Browsers: from.Browsers, Goals: append([]order.Goal{}, from.Goals...), Rates: make([]Rate, len(from.Rates)),
	}
	for i, r := range from.Rates {
		out.Rates[i] = Rate(r)
	}
	var err error
	out.Progress, err = s.progress(ctx, ws, from.Revision)
	return out, err
}

// progress is nil if this server cannot tell.
func (s *Server) progress(ctx context.Context, ws weir.WorkspaceID, revision int64) (*Progress, error) {
	if s.parts.History == nil {
		return nil, nil
	}
	p, err := s.parts.History.Progress(ctx, ws)
	if err != nil {
		return nil, err
	}
	return &Progress{p.Revision, p.Applied, p.Applied == revision, p.Done, p.Total}, nil
}

type settingsOutput struct{ Body *Settings }

func (s *Server) getSettings(ctx context.Context, in *placeInput) (*settingsOutput, error) {
	current, err := s.parts.Directory.Settings(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "read settings", err)
	}
	return s.answerSettings(ctx, in.Workspace, &current)
}

func (s *Server) answerSettings(ctx context.Context, ws weir.WorkspaceID, current *workspace.Settings) (*settingsOutput, error) {
	body, err := s.newSettings(ctx, ws, current)
	if err != nil {
		return nil, s.fail(ctx, "read progress of history", err)
	}
	return &settingsOutput{body}, nil
}

type changeSettingsInput struct {
	Place
	Body struct {
		Revision           *int64                 `json:"revision,omitempty" doc:"Change nothing unless this is the present revision."`
		Sessions           *workspace.Sessions    `json:"sessions,omitempty"`
		Attribution        *workspace.Attribution `json:"attribution,omitempty"`
		ReconciliationKeys *[]string              `json:"reconciliation_keys,omitempty" maxItems:"10"`
		BlockedIDs         *[]string              `json:"blocked_ids,omitempty" maxItems:"1000"`
		Browsers           *workspace.Browsers    `json:"browsers,omitempty"`
		Goals              *[]order.Goal          `json:"goals,omitempty" maxItems:"100"`
		Rates              *[]Rate                `json:"rates,omitempty" maxItems:"10000"`
	}
}

func (s *Server) changeSettings(ctx context.Context, in *changeSettingsInput) (*settingsOutput, error) {
	b := &in.Body
	changed, err := s.parts.Directory.ChangeSettings(ctx, in.Workspace, func(current *workspace.Settings) error {
		if err := unchanged(current, b.Revision); err != nil {
			return err
		}
		given(&current.Sessions, b.Sessions)
		given(&current.Attribution, b.Attribution)
		given(&current.ReconciliationKeys, b.ReconciliationKeys)
		given(&current.BlockedIDs, b.BlockedIDs)
		given(&current.Browsers, b.Browsers)
		given(&current.Goals, b.Goals)
		if b.Rates != nil {
			current.Rates = make([]order.Rate, len(*b.Rates))
			for i, r := range *b.Rates {
				current.Rates[i] = order.Rate(r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, s.fail(ctx, "change settings", err)
	}
	return s.answerSettings(ctx, in.Workspace, &changed)
}

func given[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// unchanged refuses a change by somebody who has seen other settings.
func unchanged(current *workspace.Settings, seen *int64) error {
	if seen == nil || *seen == current.Revision {
		return nil
	}
	return newProblem(http.StatusConflict, "settings_changed", "Somebody has changed the settings meanwhile. Read them again, and change them then.").in("revision")
}
