package item_test

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/item"
)

// contractItem is the item of the example in CONTRACT §3.1, which abbreviates
// some of its times as "…".
func contractItem(t testing.TB) []byte {
	body, err := os.ReadFile("testdata/contract.json")
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct{ Items []json.RawMessage }
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatal(err)
	}
	return envelope.Items[0]
}

// pageview is the same item with nothing abbreviated.
func pageview(t testing.TB) []byte {
	raw, err := os.ReadFile("testdata/pageview.json")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestWholeExampleIsReadWithoutWarnings(t *testing.T) {
	got, rejection := item.Parse(pageview(t), item.Limits{})
	if rejection != nil || len(got.Warnings) > 0 {
		t.Fatalf("rejected %+v, warned %+v", rejection, got.Warnings)
	}
	if len(got.Fields) != 3 || len(got.User.Fields) != 2 || len(got.Session.Fields) != 7 || len(got.Device.Fields) != 4 {
		t.Errorf("fields: %d %d %d %d", len(got.Fields), len(got.User.Fields), len(got.Session.Fields), len(got.Device.Fields))
	}
}

func TestContractExampleIsReadVerbatim(t *testing.T) {
	got, rejection := item.Parse(contractItem(t), item.Limits{})
	if rejection != nil {
		t.Fatalf("rejected: %+v", rejection)
	}
	if got.Kind != weir.KindPageview || got.ID != "928a…" || got.CreatedAt.String() != "2024-02-22T09:12:02.361Z" || got.UpdatedAt.String() != "2024-02-22T09:12:11.282Z" {
		t.Errorf("payload: %+v", got)
	}
	if got.User == nil || got.User.ID != "d1bf…" || got.User.Authenticated == nil || *got.User.Authenticated {
		t.Errorf("user: %+v", got.User)
	}
	if got.Session == nil || got.Session.ID != "7295…" || got.Session.DeviceID != "1aaa…" || got.Session.CreatedAt != 0 {
		t.Errorf("session: %+v", got.Session)
	}
	if got.Device == nil || got.Device.ID != "1aaa…" {
		t.Errorf("device: %+v", got.Device)
	}
	var warned []string
	for _, w := range got.Warnings {
		warned = append(warned, w.Field)
	}
	want := []string{"user.last_interaction_at", "session.created_at", "session.updated_at", "device.created_at", "device.updated_at"}
	if !reflect.DeepEqual(warned, want) {
		t.Errorf("warnings name %v, want %v", warned, want)
	}
}

func TestVerdicts(t *testing.T) {
	const user = `"user":{"external_id":"u"}`
	const event = `{"kind":"custom_event","custom_event":{"external_id":"1","created_at":"2024-02-22T09:12:02Z","label":"L"},` + user + `}`
	for _, c := range []struct{ name, raw, code, field string }{
		{"valid", event, "", ""},
		{"broken", `{"kind":`, "invalid_json", ""},
		{"not an object", `[]`, "invalid_json", ""},
		{"empty", ``, "invalid_json", ""},
		{"two values", event + event, "invalid_json", ""},
		{"invalid UTF-8", `{"kind":"` + "\xff" + `"}`, "invalid_utf8", ""},
		{"lone surrogate", `{"kind":"\ud800"}`, "invalid_json", ""},
		{"two members of one name", `{"kind":"a","kind":"a"}`, "duplicate_name", ""},
		{"deep", `{"kind":"pageview","x":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + `}`, "too_deep", ""},
		{"too large", `{"kind":"` + strings.Repeat("x", 64<<10) + `"}`, "item_too_large", ""},
		{"many properties", `{"kind":"pageview"` + strings.Repeat(`,"x":1`, 512) + `}`, "too_many_properties", ""},
		{"no kind", `{}`, "missing_field", "kind"},
		{"kind of the wrong type", `{"kind":7}`, "missing_field", "kind"},
		{"kind that is an object", `{"kind":{"updated_at":1}}`, "missing_field", "kind"},
		{"unknown kind", `{"kind":"purchase"}`, "unknown_kind", "kind"},
		{"no payload", `{"kind":"pageview"}`, "missing_field", "pageview"},
		{"payload of the wrong type", `{"kind":"pageview","pageview":7}`, "missing_field", "pageview"},
		{"no id", `{"kind":"pageview","pageview":{"created_at":"2024-02-22T09:12:02Z"},` + user + `}`, "missing_field", "pageview.external_id"},
		{"empty id", `{"kind":"pageview","pageview":{"external_id":" ","created_at":"2024-02-22T09:12:02Z"},` + user + `}`, "invalid_field", "pageview.external_id"},
		{"no time", `{"kind":"pageview","pageview":{"external_id":"1"},` + user + `}`, "missing_field", "pageview.created_at"},
		{"unreadable time", `{"kind":"pageview","pageview":{"external_id":"1","created_at":"yesterday"},` + user + `}`, "invalid_field", "pageview.created_at"},
		{"time of the wrong type", `{"kind":"pageview","pageview":{"external_id":"1","created_at":1708593122},` + user + `}`, "invalid_field", "pageview.created_at"},
		{"before 1971", `{"kind":"pageview","pageview":{"external_id":"1","created_at":"1970-01-01T00:00:00Z"},` + user + `}`, "invalid_field", "pageview.created_at"},
		{"no user", `{"kind":"pageview","pageview":{"external_id":"1","created_at":"2024-02-22T09:12:02Z"}}`, "missing_field", "user.external_id"},
		{"user without an id", `{"kind":"pageview","pageview":{"external_id":"1","created_at":"2024-02-22T09:12:02Z"},"user":{}}`, "missing_field", "user.external_id"},
		{"event without a name", `{"kind":"custom_event","custom_event":{"external_id":"1","created_at":"2024-02-22T09:12:02Z"},` + user + `}`, "invalid_field", "custom_event.label"},
		{"alias", `{"kind":"user_alias","user_alias":{"from_user_external_id":"a","to_user_external_id":"b"}}`, "", ""},
		{"alias to nobody", `{"kind":"user_alias","user_alias":{"from_user_external_id":"a"}}`, "missing_field", "user_alias.to_user_external_id"},
		{"an app's table", `{"kind":"app_shop_visit","app_shop_visit":{"external_id":"1","created_at":"2024-02-22T09:12:02Z"},` + user + `}`, "", ""},
		{"numeric ids", `{"kind":"user","user":{"external_id":42,"created_at":"2024-02-22T09:12:02Z"}}`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, rejection := item.Parse([]byte(c.raw), item.Limits{})
			if rejection == nil {
				rejection = &weir.Rejection{}
			}
			if rejection.Code != c.code || rejection.Field != c.field {
				t.Errorf("got %q on %q (%s), want %q on %q", rejection.Code, rejection.Field, rejection.Message, c.code, c.field)
			}
			checkAgrees(t, []byte(c.raw))
		})
	}
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// checkAgrees tests the promise that Check and Parse judge alike, and that what
// was read is in order and bounded.
func checkAgrees(t failer, raw []byte) {
	t.Helper()
	head, quick := item.Check(raw, item.Limits{})
	whole, full := item.Parse(raw, item.Limits{})
	if (quick == nil) != (full == nil) || quick != nil && (quick.Code != full.Code || quick.Field != full.Field) {
		t.Fatalf("Check says %+v, Parse says %+v of %q", quick, full, raw)
	}
	if whole == nil {
		return
	}
	user := ""
	switch {
	case whole.Alias != nil:
		user = whole.Alias.From
	case whole.User != nil:
		user = whole.User.ID
	case whole.Retracts != "":
		user, _ = weir.EdgeFrom(whole.Retracts)
	}
	if head != (item.Head{Kind: whole.Kind, ID: whole.ID, UserID: user}) {
		t.Fatalf("Check reads %+v, Parse reads %q %q %q of %q", head, whole.Kind, whole.ID, user, raw)
	}
	sorted := func(of string, fields []weir.Property) {
		for n := 1; n < len(fields); n++ {
			if fields[n-1].Name >= fields[n].Name {
				t.Fatalf("the fields of the %s are not sorted, or one is there twice: %+v, of %q", of, fields, raw)
			}
		}
	}
	sorted("item", whole.Fields)
	for name, part := range map[string]*weir.Part{"user": whole.User, "session": whole.Session, "device": whole.Device} {
		if part != nil {
			sorted(name, part.Fields)
			if part.ID == "" {
				t.Fatalf("a %s without an id, of %q", name, raw)
			}
		}
	}
	if len(whole.Warnings) > 34 { // 32, the unknown fields, and how many more there are
		t.Fatalf("%d warnings of %q", len(whole.Warnings), raw)
	}
}

func TestValuesAndLiftedProperties(t *testing.T) {
	got, rejection := item.Parse([]byte(`{"kind":"custom_event","user":{"external_id":42,"city":"Paris","traits":{"city":"Rome","age":33}},
		"custom_event":{"external_id":"1","created_at":"2024-02-22T10:12:02.5+01:00","label":"Buy","number_value":2,
		"properties":{"b":true,"n":1.5,"s":"é","list":[1, "x"],"o":{"k": 1},"null":null,"huge":1e999,"number_value":3}}}`), item.Limits{})
	if rejection != nil {
		t.Fatal(rejection)
	}
	want := []weir.Property{
		{Name: "b", Value: weir.Boolean(true)},
		{Name: "huge", Value: weir.Text("1e999")},
		{Name: "list", Value: weir.Raw(`[1,"x"]`)},
		{Name: "n", Value: weir.Num(1.5)},
		{Name: "null"},
		{Name: "number_value", Value: weir.Num(2)},
		{Name: "o", Value: weir.Raw(`{"k":1}`)},
		{Name: "s", Value: weir.Text("é")},
	}
	if !reflect.DeepEqual(got.Fields, want) {
		t.Errorf("fields: %+v", got.Fields)
	}
	if got.Label != "Buy" || got.User.ID != "42" || got.CreatedAt.String() != "2024-02-22T09:12:02.5Z" {
		t.Errorf("item: %+v", got)
	}
	if want := []weir.Property{{Name: "age", Value: weir.Num(33)}, {Name: "city", Value: weir.Text("Paris")}}; !reflect.DeepEqual(got.User.Fields, want) {
		t.Errorf("user: %+v", got.User.Fields)
	}
	if !slices.ContainsFunc(got.Warnings, func(w weir.Rejection) bool { return w.Field == "user.city" }) {
		t.Errorf("warnings: %+v", got.Warnings)
	}
}

func TestAliasHasTheIdentityOfItsPair(t *testing.T) {
	got, rejection := item.Parse([]byte(`{"kind":"user_alias","user_alias":{"from_user_external_id":"a","to_user_external_id":"b","to_user_is_authenticated":true,"to_user_created_at":"2024-02-22T09:12:02Z"}}`), item.Limits{})
	if rejection != nil {
		t.Fatal(rejection)
	}
	if got.ID != "a b" || got.Alias.From != "a" || got.Alias.To != "b" || !got.Alias.ToAuthenticated || got.Alias.ToCreatedAt.String() != "2024-02-22T09:12:02Z" {
		t.Errorf("%+v %+v", got, got.Alias)
	}
}

func TestCheckAndParseJudgeAlike(t *testing.T) {
	whole := [][]byte{contractItem(t)}
	for _, schema := range kinds() {
		whole = append(whole, full(schema).json())
	}
	rapid.Check(t, func(t *rapid.T) {
		// Damage an item: cut, overwrite or double a part of it.
		raw := slices.Clone(rapid.SampledFrom(whole).Draw(t, "item"))
		for range rapid.IntRange(0, 3).Draw(t, "damages") {
			i := rapid.IntRange(0, len(raw)-1).Draw(t, "from")
			j := rapid.IntRange(i, min(i+20, len(raw))).Draw(t, "to")
			raw = slices.Replace(raw, i, j, rapid.SliceOfN(rapid.SampledFrom([]byte(`{}[]":,aé0\`)), 0, 4).Draw(t, "by")...)
			if len(raw) == 0 {
				return
			}
		}
		checkAgrees(t, raw)
	})
}

func FuzzParse(f *testing.F) {
	f.Add(contractItem(f))
	f.Add(pageview(f))
	for _, schema := range item.Schemas() {
		f.Add(full(schema).json())
		f.Add(wrong(schema).json())
	}
	f.Add([]byte(`{"kind":"user_alias","user_alias":{"from_user_external_id":"a","to_user_external_id":"b"}}`))
	f.Add([]byte(`{"kind":"custom_event","custom_event":{"external_id":1,"created_at":"2024-02-22T09:12:02Z","label":"L","properties":{"a":[{"b":1e400}]}},"user":{"external_id":"u","traits":{"x":null}}}`))
	f.Add([]byte(`{"x":{"a":[1]},"kind":"app_shop_visit","app_shop_visit":{"external_id":12345678901234567890,"created_at":"2024-02-22T09:12:02Z","n":null},"user":{"external_id":"u"},"order":{},"y":null}`))
	f.Add([]byte(`{"kind":"order","order":{"external_id":"o","created_at":"2024-02-22T09:12:02Z","items":[1,{"price":9.5,"sku":{},"name":7,"variant_x":[]},null]},"user":{"external_id":"u","email":"","traits":{"email":"a@b.c"},"telephone":"+33 (0)1 23 45 67 89"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) { checkAgrees(t, raw) })
}

func BenchmarkCheck(b *testing.B) {
	raw := pageview(b)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		item.Check(raw, item.Limits{})
	}
}

func BenchmarkParse(b *testing.B) {
	raw := pageview(b)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		item.Parse(raw, item.Limits{})
	}
}
