package workspace

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/order"
)

// Settings are what a workspace has decided about the meaning of its data. A
// Settings that Directory.Settings returned is shared: do not change it.
type Settings struct {
	// Revision rises by one with every change. 0: nothing was ever decided, and
	// the defaults hold.
	Revision int64 `json:"revision"`
	// Currency is the workspace's, in which values are summed. It stands here too,
	// as a change of it changes what everything is worth: see ChangeWorkspace.
	Currency    string      `json:"currency"`
	Sessions    Sessions    `json:"sessions"`
	Attribution Attribution `json:"attribution"`
	// ReconciliationKeys are names of users' fields. Users who have the same value
	// of one are one person.
	ReconciliationKeys []string `json:"reconciliation_keys"`
	// BlockedIDs never join anybody, besides those that are blocked everywhere.
	BlockedIDs []string `json:"blocked_ids"`
	Browsers   Browsers `json:"browsers"`
	// Goals are events that are conversions. Orders always are.
	Goals []order.Goal `json:"goals"`
	// Rates say what other currencies than the workspace's are worth.
	Rates []order.Rate `json:"rates"`
	// Channels name where visits came from; without rules, as Weir does.
	Channels attribution.Mapping `json:"channels"`
}

// Sessions say when a visit ends that the client has given no id.
type Sessions struct {
	GapMinutes      int  `json:"gap_minutes" minimum:"1" maximum:"240" doc:"Minutes without an event after which a visit is over. Default 30."`
	SplitOnCampaign bool `json:"split_on_campaign" doc:"A visit ends where another campaign brings the person back."`
}

// Gap is the pause that ends a visit.
func (s Sessions) Gap() weir.Micros { return weir.Micros(s.GapMinutes) * minute }

// Attribution says which visits count towards a conversion.
type Attribution struct {
	LookbackDays  int  `json:"lookback_days" minimum:"1" maximum:"365" doc:"How long before a conversion a visit may be. Default 30."`
	HalfLifeDays  int  `json:"half_life_days" minimum:"1" maximum:"90" doc:"Of the model time_decay. Default 7."`
	AfterPrevious bool `json:"after_previous" doc:"Visits before the person's previous conversion do not count."`
}

// Lookback is how long before a conversion a visit may be.
func (a Attribution) Lookback() weir.Micros { return weir.Micros(a.LookbackDays) * 24 * 60 * minute }

// HalfLife is the time after which a visit weighs half in the model time_decay.
func (a Attribution) HalfLife() weir.Micros { return weir.Micros(a.HalfLifeDays) * 24 * 60 * minute }

const minute = weir.Micros(time.Minute / time.Microsecond)

// Browsers says what a write key may do that anybody can misuse who reads a
// page's source.
type Browsers struct {
	MaySendOrders     bool `json:"may_send_orders" doc:"Orders may come from browsers: with a write key."`
	MayLinkKnownUsers bool `json:"may_link_known_users" doc:"Items of kind identity_merge may come from browsers, with a write key: they join two users, known ones too."`
}

// settingsID is the id of the only document of its collection.
const settingsID = "settings"

// Bounds of the lists in Settings.
const (
	maxReconciliationKeys = 10
	maxBlockedIDs         = 1000
	maxGoals              = 100
	maxRates              = 10_000
	maxNameBytes          = 512 // of ids, events and properties, as items have them
)

// DefaultSettings hold until something is decided.
func DefaultSettings() Settings {
	return Settings{
		Sessions:           Sessions{GapMinutes: 30},
		Attribution:        Attribution{LookbackDays: 30, HalfLifeDays: 7},
		ReconciliationKeys: []string{},
		BlockedIDs:         []string{},
		Goals:              []order.Goal{},
		Rates:              []order.Rate{},
	}
}

// normalise checks the settings, and brings lists whose order has no meaning
// into one form. The error names the field that is to blame.
func (s Settings) normalise() (Settings, error) {
	if err := within("sessions.gap_minutes", s.Sessions.GapMinutes, 1, 240); err != nil {
		return s, err
	}
	if err := within("attribution.lookback_days", s.Attribution.LookbackDays, 1, 365); err != nil {
		return s, err
	}
	if err := within("attribution.half_life_days", s.Attribution.HalfLifeDays, 1, 90); err != nil {
		return s, err
	}
	var err error
	if s.ReconciliationKeys, err = names("reconciliation_keys", s.ReconciliationKeys, maxReconciliationKeys); err != nil {
		return s, err
	}
	if s.BlockedIDs, err = names("blocked_ids", s.BlockedIDs, maxBlockedIDs); err != nil {
		return s, err
	}
	if s.Goals, err = goals(s.Goals); err != nil {
		return s, err
	}
	if s.Rates, err = rates(s.Currency, s.Rates); err != nil {
		return s, err
	}
	return s, under("channels", s.Channels.Validate())
}

// goals sorts a list by event.
func goals(list []order.Goal) ([]order.Goal, error) {
	if len(list) > maxGoals {
		return nil, invalid("goals", fmt.Sprintf("use at most %d", maxGoals))
	}
	out := append([]order.Goal{}, list...)
	known := map[string]bool{}
	for i, g := range out {
		at := fmt.Sprintf("goals[%d]", i)
		if err := nameIn(at+".event", g.Event); err != nil {
			return nil, err
		}
		switch {
		case g.Event == order.Orders:
			return nil, invalid(at+".event", "leave out order: an order is a conversion without being a goal")
		case known[g.Event]:
			return nil, invalid(at+".event", fmt.Sprintf("leave out one of the two goals %q", g.Event))
		case g.ValueProperty == "" && g.CurrencyProperty != "":
			return nil, invalid(at+".value_property", "name the property that has the value; without one, a currency says nothing")
		}
		known[g.Event] = true
		for _, property := range []struct{ field, name string }{{".value_property", g.ValueProperty}, {".currency_property", g.CurrencyProperty}} {
			if property.name == "" {
				continue
			}
			if err := nameIn(at+property.field, property.name); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(out, func(a, b order.Goal) int { return strings.Compare(a.Event, b.Event) })
	return out, nil
}

// rates sorts a table by currency and time.
func rates(base string, list []order.Rate) ([]order.Rate, error) {
	if len(list) > maxRates {
		return nil, invalid("rates", fmt.Sprintf("use at most %d", maxRates))
	}
	if _, err := order.NewRates(base, list); err != nil {
		return nil, err
	}
	out := append([]order.Rate{}, list...)
	slices.SortFunc(out, func(a, b order.Rate) int {
		return cmp.Or(strings.Compare(a.Currency, b.Currency), cmp.Compare(a.From, b.From))
	})
	return out, nil
}

// under puts the name of what was checked before the field that is to blame.
func under(name string, err error) error {
	var e *weir.Error
	if !errors.As(err, &e) {
		return err
	}
	within := *e
	within.Field = strings.TrimSuffix(name+"."+e.Field, ".")
	return &within
}

func within(field string, n, low, high int) error {
	if n < low || n > high {
		return invalid(field, fmt.Sprintf("use a number from %d to %d", low, high))
	}
	return nil
}

// names sorts a list and leaves out what stands in it twice.
func names(field string, list []string, limit int) ([]string, error) {
	if len(list) > limit {
		return nil, invalid(field, fmt.Sprintf("use at most %d", limit))
	}
	out := make([]string, 0, len(list))
	for i, name := range list {
		name = strings.TrimSpace(name)
		if err := nameIn(fmt.Sprintf("%s[%d]", field, i), name); err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// nameIn checks what is compared with names or ids in items.
func nameIn(field, name string) error {
	if name == "" || len(name) > maxNameBytes || !utf8.ValidString(name) {
		return invalid(field, fmt.Sprintf("use 1 to %d bytes of text", maxNameBytes))
	}
	return nil
}

// Settings are those in force in a workspace. The answer may be up to
// Options.CacheFor old, but never older than a ChangeSettings in this process.
// It is cheap enough to ask for each batch. A workspace that does not exist has
// the defaults.
func (d *Directory) Settings(ctx context.Context, ws weir.WorkspaceID) (Settings, error) {
	s, err := d.sharedSettings(ctx, ws)
	if err != nil {
		return Settings{}, err
	}
	return *s, nil
}

func (d *Directory) sharedSettings(ctx context.Context, ws weir.WorkspaceID) (*Settings, error) {
	remembered, asked, fresh := d.settings.get(ws, d.now())
	if fresh {
		return remembered, nil
	}
	return orStale(ctx, d, remembered, asked, func(ctx context.Context) (*Settings, error) { return d.loadSettings(ctx, ws) })
}

func (d *Directory) loadSettings(ctx context.Context, ws weir.WorkspaceID) (*Settings, error) {
	results := d.reading.DoChan(string(ws), func() (any, error) {
		// Others wait too: one who gives up must not fail them.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		asked := d.now()
		s, _, err := d.readSettings(ctx, ws)
		if err != nil {
			return nil, err
		}
		return d.settings.put(ws, s, asked), nil
	})
	select {
	case r := <-results:
		s, _ := r.Val.(*Settings)
		return s, r.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("read settings: %w", ctx.Err())
	}
}

// readSettings reads the document over the defaults, so that what a former
// release did not know has its default. Revision 0 says that there is none.
func (d *Directory) readSettings(ctx context.Context, ws weir.WorkspaceID) (s *Settings, revision int64, err error) {
	defaults := DefaultSettings()
	s = &defaults
	doc, err := d.store.Get(ctx, settings, ws, settingsID)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return nil, 0, fmt.Errorf("read settings: %w", err)
	default:
		if err := json.Unmarshal(doc.Body, s); err != nil {
			return nil, 0, fmt.Errorf("read settings of %q: %w", ws, err)
		}
	}
	if s.Currency != "" {
		return s, doc.Revision, nil
	}
	w, err := d.Workspace(ctx, ws)
	if err != nil && !errors.Is(err, ErrNoWorkspace) {
		return nil, 0, fmt.Errorf("read settings: %w", err)
	}
	s.Currency = w.Currency
	return s, doc.Revision, nil
}

// ChangeSettings changes the settings of a workspace, starting over with the
// newest when somebody else was quicker: change may be called several times, and
// an error of it ends the call. It may not change Revision, which rises by one
// if anything differs afterwards, and else stays, nor Currency, which is
// ChangeWorkspace's. The settings must be valid
// then; if not, the error names the field that is to blame. The error may be
// ErrNoWorkspace.
func (d *Directory) ChangeSettings(ctx context.Context, ws weir.WorkspaceID, change func(*Settings) error) (Settings, error) {
	if _, err := d.Workspace(ctx, ws); err != nil {
		return Settings{}, err
	}
	return d.changeSettings(ctx, ws, func(s *Settings) error {
		currency := s.Currency
		err := change(s)
		s.Currency = currency
		return err
	})
}

func (d *Directory) changeSettings(ctx context.Context, ws weir.WorkspaceID, change func(*Settings) error) (Settings, error) {
	for try := 1; ; try++ {
		changed, err := d.tryChange(ctx, ws, change)
		if taken := errors.Is(err, ErrConflict) || errors.Is(err, ErrExists); taken && try < attempts {
			continue
		}
		return changed, err
	}
}

func (d *Directory) tryChange(ctx context.Context, ws weir.WorkspaceID, change func(*Settings) error) (Settings, error) {
	asked := d.now()
	s, revision, err := d.readSettings(ctx, ws)
	if err != nil {
		return Settings{}, err
	}
	before, err := json.Marshal(s)
	if err != nil {
		return Settings{}, fmt.Errorf("write settings: %w", err)
	}
	number := s.Revision
	if err := change(s); err != nil {
		return Settings{}, err
	}
	s.Revision = number
	normal, err := s.normalise()
	if err != nil {
		return Settings{}, err
	}
	after, err := json.Marshal(normal)
	if err != nil {
		return Settings{}, fmt.Errorf("write settings: %w", err)
	}
	if bytes.Equal(before, after) {
		d.settings.put(ws, &normal, asked)
		return normal, nil
	}
	normal.Revision++
	if err := put(ctx, d.store, settings, ws, settingsID, revision, normal); err != nil {
		return Settings{}, fmt.Errorf("change settings: %w", err)
	}
	d.log.InfoContext(ctx, "settings changed", "workspace", ws, "revision", normal.Revision)
	d.settings.put(ws, &normal, asked)
	return normal, nil
}

// settingsCache remembers settings, one per workspace.
type settingsCache struct {
	maxAge time.Duration
	mu     sync.RWMutex
	known  map[weir.WorkspaceID]cachedSettings
}

type cachedSettings struct {
	settings *Settings
	asked    time.Time
}

func (c *settingsCache) init(maxAge time.Duration) {
	c.maxAge, c.known = maxAge, map[weir.WorkspaceID]cachedSettings{}
}

// get is what is remembered, or nil, when it was asked for, and whether it is not too old.
func (c *settingsCache) get(ws weir.WorkspaceID, now time.Time) (s *Settings, asked time.Time, fresh bool) {
	c.mu.RLock()
	e := c.known[ws]
	c.mu.RUnlock()
	return e.settings, e.asked, e.settings != nil && now.Sub(e.asked) < c.maxAge
}

// put remembers settings that were asked for at an instant, unless newer ones
// are known: what was read before a change must not hide it. It returns those
// that are remembered.
func (c *settingsCache) put(ws weir.WorkspaceID, s *Settings, asked time.Time) *Settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, found := c.known[ws]
	if found && e.settings.Revision > s.Revision && asked.Sub(e.asked) < c.maxAge {
		return e.settings
	}
	if !found && len(c.known) >= maxCached {
		clear(c.known)
	}
	c.known[ws] = cachedSettings{s, asked}
	return s
}

// Progress says how far the past follows the settings: history that older ones
// shaped is derived again in the background.
type Progress struct {
	Revision int64 // that history is being derived by, or was
	Applied  int64 // that all of history is derived by
	Done     int64 // people who are done
	Total    int64 // people to do; 0 if nothing is under way
}
