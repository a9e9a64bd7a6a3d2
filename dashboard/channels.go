package dashboard

import (
	"context"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/workspace"
)

// ChannelRules name the channels of visits.
type ChannelRules struct {
	Rules   []attribution.Rule `json:"rules" nullable:"false" maxItems:"500" doc:"The first one that matches names the channel. One without conditions matches everything."`
	Default string             `json:"default,omitempty" doc:"The channel of the rest. Unassigned if there is none."`
}

type channelsOutput struct {
	Body struct {
		ChannelRules
		Shipped  bool                `json:"is_default" doc:"The rules are those that Weir ships, and change with it."`
		Fields   []attribution.Field `json:"fields" nullable:"false" doc:"What conditions may look at."`
		Ops      []attribution.Op    `json:"ops" nullable:"false" doc:"How they may compare."`
		Sites    []attribution.Site  `json:"sites" nullable:"false" doc:"What the field site may be, besides nothing."`
		Revision int64               `json:"revision" doc:"Of the settings, which the rules are part of."`
		Progress *Progress           `json:"progress,omitempty" doc:"How far the past follows the settings. Absent if this server cannot tell."`
	}
}

func (s *Server) getChannels(ctx context.Context, in *placeInput) (*channelsOutput, error) {
	current, err := s.parts.Directory.Settings(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "read settings", err)
	}
	return s.answerChannels(ctx, in.Workspace, &current)
}

func (s *Server) answerChannels(ctx context.Context, ws weir.WorkspaceID, current *workspace.Settings) (*channelsOutput, error) {
	out := &channelsOutput{}
	mapping := current.Channels
	if mapping.Rules == nil {
		out.Body.Shipped = true
		shipped := attribution.Default()
		mapping.Rules = shipped.Rules
		replace(&shipped.Default, mapping.Default)
		mapping.Default = shipped.Default
	}
	out.Body.ChannelRules = ChannelRules(mapping)
	out.Body.Fields, out.Body.Ops, out.Body.Sites = attribution.Fields(), attribution.Ops(), attribution.Sites()
	out.Body.Revision = current.Revision
	var err error
	if out.Body.Progress, err = s.progress(ctx, ws, current.Revision); err != nil {
		return nil, s.fail(ctx, "read progress of history", err)
	}
	return out, nil
}

type setChannelsInput struct {
	Place
	Body struct {
		ChannelRules
		Revision *int64 `json:"revision,omitempty" doc:"Change nothing unless this is the present revision of the settings."`
	}
}

func (s *Server) setChannels(ctx context.Context, in *setChannelsInput) (*channelsOutput, error) {
	mapping := attribution.Mapping(in.Body.ChannelRules)
	// Here, and not only with the settings: there the fields have other names.
	if err := mapping.Validate(); err != nil {
		return nil, s.fail(ctx, "check channels", err)
	}
	return s.changeChannels(ctx, in.Workspace, mapping, in.Body.Revision)
}

func (s *Server) resetChannels(ctx context.Context, in *placeInput) (*channelsOutput, error) {
	return s.changeChannels(ctx, in.Workspace, attribution.Mapping{}, nil)
}

func (s *Server) changeChannels(ctx context.Context, ws weir.WorkspaceID, mapping attribution.Mapping, seen *int64) (*channelsOutput, error) {
	changed, err := s.parts.Directory.ChangeSettings(ctx, ws, func(current *workspace.Settings) error {
		if err := unchanged(current, seen); err != nil {
			return err
		}
		current.Channels = mapping
		return nil
	})
	if err != nil {
		return nil, s.fail(ctx, "change channels", err)
	}
	return s.answerChannels(ctx, ws, &changed)
}

type previewChannelInput struct {
	Place
	Body struct {
		Source  attribution.Source  `json:"source" doc:"Where a visit comes from, as its client says it: what is missing is read off the landing page and the referrer."`
		Rules   *[]attribution.Rule `json:"rules,omitempty" maxItems:"500" doc:"Rules to try. Default: those in force."`
		Default string              `json:"default,omitempty" doc:"With rules: the channel of the rest."`
	}
}

type previewChannelOutput struct {
	Body struct {
		Channel string             `json:"channel"`
		Source  attribution.Source `json:"source" doc:"The source as the rules see it."`
		Direct  bool               `json:"direct" doc:"The visit comes from nowhere that is known: last_non_direct passes it over."`
	}
}

func (s *Server) previewChannel(ctx context.Context, in *previewChannelInput) (*previewChannelOutput, error) {
	mapping := attribution.Mapping{Default: in.Body.Default}
	if in.Body.Rules != nil {
		mapping.Rules = append([]attribution.Rule{}, *in.Body.Rules...)
	} else {
		current, err := s.parts.Directory.Settings(ctx, in.Workspace)
		if err != nil {
			return nil, s.fail(ctx, "read settings", err)
		}
		mapping = current.Channels
	}
	channels, err := mapping.Compile()
	if err != nil {
		return nil, s.fail(ctx, "check channels", err)
	}
	out := &previewChannelOutput{}
	out.Body.Source = attribution.SourceOf(visitFrom(in.Body.Source))
	out.Body.Channel, out.Body.Direct = channels.Of(out.Body.Source), out.Body.Source.Direct()
	return out, nil
}

// visitFrom is a session that says where it comes from.
func visitFrom(source attribution.Source) *weir.Session {
	visit := &weir.Session{}
	if source.Impression {
		visit.Origin = weir.Impression
	}
	for name, text := range map[string]string{
		"utm_source": source.Source, "utm_medium": source.Medium, "utm_campaign": source.Campaign, "utm_content": source.Content,
		"utm_term": source.Term, "utm_id_from": source.ClickID, "referrer": source.Referrer, "landing_page": source.LandingPage,
	} {
		if text != "" {
			visit.Fields.Set(weir.Stamp{}, weir.Property{Name: name, Value: weir.Text(text)})
		}
	}
	return visit
}
