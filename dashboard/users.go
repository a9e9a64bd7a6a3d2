package dashboard

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/order"
)

// User is a person, as lists show them.
type User struct {
	ID        string         `json:"id" doc:"The id that stands for the person."`
	Number    uint32         `json:"number" doc:"Dense, per workspace."`
	CreatedAt weir.Micros    `json:"created_at,omitempty"`
	FirstSeen weir.Micros    `json:"first_seen,omitempty"`
	LastSeen  weir.Micros    `json:"last_seen,omitempty"`
	Traits    map[string]any `json:"traits" nullable:"false" doc:"The current values."`
}

// UserIdentity is one of the ids that a person was sent under.
type UserIdentity struct {
	ID            string      `json:"id"`
	Authenticated bool        `json:"authenticated"`
	FirstSeen     weir.Micros `json:"first_seen,omitempty"`
	LastSeen      weir.Micros `json:"last_seen,omitempty"`
	Edges         []Edge      `json:"edges" nullable:"false" doc:"What was said of it and others, in the order in which it counts."`
}

type userInput struct {
	Place
	ID string `path:"id" maxLength:"1024" doc:"Any id of the person, or the number."`
}

type userOutput struct {
	Body struct {
		User
		Identities []UserIdentity `json:"identities" nullable:"false"`
		Devices    []UserDevice   `json:"devices" nullable:"false"`
	}
}

// UserDevice is a device that a person was seen with.
type UserDevice struct {
	ID        string         `json:"id"`
	CreatedAt weir.Micros    `json:"created_at,omitempty"`
	FirstSeen weir.Micros    `json:"first_seen,omitempty"`
	Fields    map[string]any `json:"fields" nullable:"false" doc:"As sent, and what the user agent says: browser, os, device_type and versions."`
}

func devicesOf(members []*weir.Identity) []UserDevice {
	out := []UserDevice{}
	for _, d := range identity.Devices(members) {
		device := UserDevice{d.ID, d.CreatedAt, d.FirstSeen, map[string]any{}}
		for _, f := range d.Fields.Properties() {
			device.Fields[f.Name] = f.Value
		}
		out = append(out, device)
	}
	return out
}

func (s *Server) getUser(ctx context.Context, in *userInput) (*userOutput, error) {
	members, err := s.knownPerson(ctx, in.Workspace, in.ID)
	if err != nil {
		return nil, s.fail(ctx, "read person", err)
	}
	out := &userOutput{}
	if out.Body.User, err = s.user(ctx, in.Workspace, members); err != nil {
		return nil, s.fail(ctx, "read conversions of person", err)
	}
	out.Body.Devices = devicesOf(members)
	out.Body.Identities = []UserIdentity{}
	for _, m := range members {
		// An id that was only named in an edge shows why it is here, if nothing else.
		if m.Key || identity.Bare(m) && len(m.Edges) == 0 {
			continue
		}
		out.Body.Identities = append(out.Body.Identities, UserIdentity{
			ID: m.ID, Authenticated: m.Authenticated, FirstSeen: m.FirstSeen, LastSeen: m.LastSeen, Edges: edgesOf(m, members),
		})
	}
	slices.SortFunc(out.Body.Identities, func(a, b UserIdentity) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// person joins identities, and their conversions' totals with them. It is the one
// place where the API does.
func (s *Server) person(ctx context.Context, ws weir.WorkspaceID, members []*weir.Identity) (weir.Person, error) {
	p := identity.Join(members, nil)
	conversions, err := s.conversionsOf(ctx, ws, members)
	if err != nil || len(conversions) == 0 {
		return p, err
	}
	return identity.Join(members, order.Totals(conversions, p.FirstSeen)), nil
}

// conversionsOf are those of a person, in order of time.
func (s *Server) conversionsOf(ctx context.Context, ws weir.WorkspaceID, members []*weir.Identity) ([]*weir.Conversion, error) {
	var numbers []uint32
	for _, m := range members {
		if m.Converts {
			numbers = append(numbers, m.Number)
		}
	}
	if numbers == nil {
		return nil, nil
	}
	return s.parts.State.Conversions(ctx, ws, numbers)
}

func (s *Server) user(ctx context.Context, ws weir.WorkspaceID, members []*weir.Identity) (User, error) {
	p, err := s.person(ctx, ws, members)
	u := User{
		ID: p.ID, Number: p.Number, CreatedAt: p.CreatedAt, FirstSeen: p.FirstSeen, LastSeen: p.LastSeen,
		Traits: make(map[string]any, len(p.Traits)),
	}
	for _, t := range p.Traits {
		u.Traits[t.Name] = t.Value
	}
	return u, err
}

// knownPerson is a person by any id or by the number; else the error is a Problem.
func (s *Server) knownPerson(ctx context.Context, ws weir.WorkspaceID, name string) ([]*weir.Identity, error) {
	members, err := s.findPerson(ctx, ws, name)
	if err == nil && len(members) == 0 {
		return nil, errUnknownUser()
	}
	return members, err
}

func errUnknownUser() *Problem {
	return newProblem(http.StatusNotFound, "unknown_user", "Nobody is known under this id.")
}

// findPerson takes an id as it was sent before a number: ids can be digits.
func (s *Server) findPerson(ctx context.Context, ws weir.WorkspaceID, name string) ([]*weir.Identity, error) {
	members, err := s.personByID(ctx, ws, name)
	if err != nil || len(members) > 0 {
		return members, err
	}
	number, err := strconv.ParseUint(name, 10, 32)
	if err != nil || number == 0 {
		return nil, nil
	}
	return s.personByNumber(ctx, ws, uint32(number))
}

// personByID is empty also for an id that only stands in an edge, or is Weir's own:
// nobody has it.
func (s *Server) personByID(ctx context.Context, ws weir.WorkspaceID, id string) ([]*weir.Identity, error) {
	if _, _, standIn := identity.KeyOf(id); standIn {
		return nil, nil
	}
	members, err := s.parts.State.Person(ctx, ws, id)
	return somebody(members), err
}

func (s *Server) personByNumber(ctx context.Context, ws weir.WorkspaceID, number uint32) ([]*weir.Identity, error) {
	members, err := s.parts.State.PersonByNumber(ctx, ws, number)
	return somebody(members), err
}

func somebody(members []*weir.Identity) []*weir.Identity {
	if identity.Nobody(members) {
		return nil
	}
	return members
}

type listUsersInput struct {
	Place
	Search string `query:"search" maxLength:"256" doc:"Text in an id or in a trait. Without it: who was active last."`
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"200"`
}

type usersOutput struct {
	Body struct {
		Users     []User `json:"users" nullable:"false"`
		Truncated bool   `json:"truncated,omitempty" doc:"There may be more."`
	}
}

// searchTime bounds a search: it reads every identity until it has enough.
const searchTime = 3 * time.Second

func (s *Server) listUsers(ctx context.Context, in *listUsersInput) (*usersOutput, error) {
	leave, ok := s.queries.enter(ctx, in.Workspace)
	if !ok {
		s.metrics.refused.WithLabelValues("search").Inc()
		return nil, errBusy()
	}
	defer leave()
	find := s.searchUsers
	if strings.TrimSpace(in.Search) == "" {
		find = s.recentUsers
	}
	out := &usersOutput{}
	out.Body.Users = []User{}
	var err error
	out.Body.Truncated, err = find(ctx, in, func(members []*weir.Identity) error {
		user, err := s.user(ctx, in.Workspace, members)
		out.Body.Users = append(out.Body.Users, user)
		return err
	})
	if err != nil {
		return nil, s.fail(ctx, "list people", err)
	}
	return out, nil
}

// recentUsers are the people of the newest items in the log.
func (s *Server) recentUsers(ctx context.Context, in *listUsersInput, add func([]*weir.Identity) error) (truncated bool, err error) {
	rows, err := s.parts.Events.Log(ctx, in.Workspace, eventstore.LogFilter{Limit: 1000})
	if err != nil {
		return false, err
	}
	seen := newPeople(in.Limit)
	for i := range rows {
		o := &rows[i]
		if o.Person == 0 || seen.item(o) {
			continue
		}
		if seen.full() {
			return true, nil
		}
		members, err := s.personOf(ctx, in.Workspace, o)
		if err != nil {
			return false, err
		}
		if len(members) > 0 && seen.add(members) {
			if err := add(members); err != nil {
				return false, err
			}
		}
	}
	return len(rows) == 1000, nil
}

var errEnough = errors.New("enough found")

// searchUsers looks at the id itself first, so that a whole id is always found
// and always comes first, and then for the text anywhere.
func (s *Server) searchUsers(ctx context.Context, in *listUsersInput, add func([]*weir.Identity) error) (truncated bool, err error) {
	seen := newPeople(in.Limit)
	exact, err := s.findPerson(ctx, in.Workspace, strings.TrimSpace(in.Search))
	if err != nil {
		return false, err
	}
	if len(exact) > 0 && seen.add(exact) {
		if err := add(exact); err != nil {
			return false, err
		}
	}
	found, truncated, err := s.scan(ctx, in, seen)
	if err != nil {
		return false, err
	}
	for _, number := range found {
		members, err := s.personByNumber(ctx, in.Workspace, number)
		if err != nil {
			return false, err
		}
		if len(members) > 0 {
			if err := add(members); err != nil {
				return false, err
			}
		}
	}
	return truncated, nil
}

// scan collects the numbers of people who match; the store must not be asked
// for more while it is being read.
func (s *Server) scan(ctx context.Context, in *listUsersInput, seen *people) (found []uint32, truncated bool, err error) {
	limited, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	text := strings.ToLower(strings.TrimSpace(in.Search))
	err = s.parts.State.Scan(limited, in.Workspace, func(i *weir.Identity) error {
		if err := limited.Err(); err != nil {
			return err
		}
		if i.Key || identity.Bare(i) || seen.has(i.Person) || !mentions(i, text) {
			return nil
		}
		if seen.full() {
			return errEnough
		}
		seen.person(i.Person)
		found = append(found, i.Person)
		return nil
	})
	if errors.Is(err, errEnough) || err != nil && limited.Err() != nil && ctx.Err() == nil {
		return found, true, nil
	}
	return found, false, err
}

// mentions reports whether the lower-cased text is in the id or in a trait.
func mentions(i *weir.Identity, text string) bool {
	if strings.Contains(strings.ToLower(i.ID), text) {
		return true
	}
	for _, p := range i.Traits.Properties() {
		if p.Value.Type != weir.JSON && strings.Contains(strings.ToLower(p.Value.String()), text) {
			return true
		}
	}
	return false
}

// people remembers who is in a list already.
type people struct {
	limit   int
	numbers map[uint32]bool
	ids     map[string]bool
}

func newPeople(limit int) *people {
	return &people{limit: limit, numbers: map[uint32]bool{}, ids: map[string]bool{}}
}

func (p *people) full() bool             { return len(p.numbers) >= p.limit }
func (p *people) has(number uint32) bool { return p.numbers[number] }
func (p *people) person(number uint32)   { p.numbers[number] = true }

// item reports whether the person of an outcome is in the list. The id decides:
// the number may have changed since.
func (p *people) item(o *weir.Outcome) bool {
	if o.UserID != "" {
		return p.ids[o.UserID]
	}
	return p.numbers[o.Person]
}

// add reports whether the person was not there yet.
func (p *people) add(members []*weir.Identity) bool {
	for _, m := range members {
		p.ids[m.ID] = true
	}
	if p.numbers[members[0].Person] {
		return false
	}
	p.numbers[members[0].Person] = true
	return true
}
