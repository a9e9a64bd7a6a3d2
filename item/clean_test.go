package item_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/item"
)

// user is a user item with these members.
func user(members string) []byte {
	return []byte(`{"kind":"user","user":{"external_id":"u","created_at":"2024-02-22T09:12:02Z",` + members + `}}`)
}

// order is an order with these members.
func order(members string) []byte {
	return []byte(`{"kind":"order","order":{"external_id":"o","created_at":"2024-02-22T09:12:02Z",` + members + `},"user":{"external_id":"u"}}`)
}

func warned(i *weir.Item) (fields []string) {
	for _, w := range i.Warnings {
		fields = append(fields, w.Field)
	}
	return fields
}

func TestEmailHashes(t *testing.T) {
	const md5, sha1, sha256 = "55502f40dc8b7c769880b10874abc9d0", "567159d622ffbb50b11b0efd307be358624a26ee", "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"
	for name, members := range map[string]string{
		"plain":                          `"email":"test@example.com"`,
		"upper case and space":           `"email":" Test@Example.COM\t"`,
		"among the traits":               `"traits":{"email":"test@example.com"}`,
		"beside another among the free":  `"traits":{"email":"other@example.com"},"email":"test@example.com"`,
		"beside other hashes":            `"email":"test@example.com","email_md5":"0","email_sha1":"0","email_sha256":"0"`,
		"set aside, one among the free":  `"email":{},"traits":{"email":"test@example.com"}`,
		"before another among the free":  `"email":"test@example.com","traits":{"email":null}`,
		"with many others of the traits": `"traits":{` + many(40) + `,"email":"x@y.z"},"email":"test@example.com"`,
	} {
		got := parse(t, user(members))
		for field, want := range map[string]string{"email_md5": md5, "email_sha1": sha1, "email_sha256": sha256} {
			if v, _ := property(got.User.Fields, field); v != weir.Text(want) {
				t.Errorf("%s: %s is %v, want %s", name, field, v, want)
			}
		}
	}
}

func many(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"f%d":%d`, i, i)
	}
	return strings.Join(members, ",")
}

func TestEmailThatIsClearedClearsItsHashes(t *testing.T) {
	for _, members := range []string{`"email":null`, `"email":""`, `"email":"  "`} {
		got := parse(t, user(members))
		for _, field := range []string{"email_md5", "email_sha1", "email_sha256"} {
			if v, ok := property(got.User.Fields, field); !ok || v.Type != weir.Null {
				t.Errorf("%s: %s is %v, %v; want null", members, field, v, ok)
			}
		}
	}
	got := parse(t, user(`"email_md5":"55502f40dc8b7c769880b10874abc9d0"`))
	if want := []weir.Property{{Name: "email_md5", Value: weir.Text("55502f40dc8b7c769880b10874abc9d0")}}; !reflect.DeepEqual(got.User.Fields, want) {
		t.Errorf("a hash without the address: %v", got.User.Fields)
	}
}

func TestTelephoneIsE164(t *testing.T) {
	for sent, want := range map[string]string{
		"+33123456789":         "+33123456789",
		"+33 1 23 45 67 89":    "+33123456789",
		"+33 (0)1.23.45.67.89": "+33123456789",
		"+1 (555) 010-0199":    "+15550100199",
		"+49/30/123456":        "+4930123456",
		"+33\u00a01 23456789":  "+33123456789",
		"0123456789":           "0123456789", // of no country
		"+0123456789":          "+0123456789",
		"+123":                 "+123",
		"+1234567890123456":    "+1234567890123456", // 16 digits
		"+33 12x":              "+33 12x",
		"call me":              "call me",
		"":                     "",
	} {
		got := parse(t, object{"kind": weir.KindUser, "user": object{"external_id": "u", "created_at": "2024-02-22T09:12:02Z", "telephone": sent}}.json())
		if v, _ := property(got.User.Fields, "telephone"); v != weir.Text(want) {
			t.Errorf("%q became %v, want %q", sent, v, want)
		}
	}
}

func TestValuesThatSayTheSameAreTurnedIntoTheTypeThatIsMeant(t *testing.T) {
	for _, c := range []struct {
		sent string
		want weir.Value
	}{
		{`"city":5`, weir.Text("5")},
		{`"city":true`, weir.Text("true")},
		{`"city":12345678901234567890`, weir.Text("12345678901234567890")},
		{`"latitude":"48.85"`, weir.Num(48.85)},
		{`"latitude":" 48 "`, weir.Num(48)},
		{`"consent_all":"true"`, weir.Boolean(true)},
		{`"consent_all":0`, weir.Boolean(false)},
		{`"consent_all":"1"`, weir.Boolean(true)},
	} {
		got := parse(t, user(c.sent))
		if len(got.User.Fields) != 1 || got.User.Fields[0].Value != c.want || len(got.Warnings) > 0 {
			t.Errorf("%s became %+v, warned %v", c.sent, got.User.Fields, got.Warnings)
		}
	}
}

func TestValuesThatDoNotFitAreSetAside(t *testing.T) {
	for sent, field := range map[string]string{
		`"latitude":"north"`: "latitude", `"latitude":91`: "latitude", `"longitude":-180.5`: "longitude", `"latitude":"NaN"`: "latitude",
		`"latitude":"0x1p4"`: "latitude", `"latitude":"1_0"`: "latitude", `"latitude":1e999`: "latitude", `"latitude":true`: "latitude",
		`"consent_all":"perhaps"`: "consent_all", `"consent_all":2`: "consent_all", `"signed_up_at":"2024"`: "signed_up_at",
		`"signed_up_at":1708593122`: "signed_up_at", `"signed_up_at":"1970-02-01T00:00:00Z"`: "signed_up_at", `"city":{}`: "city", `"traits":7`: "traits",
		`"is_authenticated":"x"`: "is_authenticated", `"anonymous_id":""`: "anonymous_id", `"anonymous_id":"\u0000k"`: "anonymous_id",
	} {
		got := parse(t, user(sent))
		if len(got.User.Fields) != 0 || !slices.Equal(warned(got), []string{"user." + field}) {
			t.Errorf("%s: kept %+v, warned of %v", sent, got.User.Fields, warned(got))
		}
	}
}

func TestIntegersAreRoundedWithWarning(t *testing.T) {
	for sent, want := range map[string]weir.Value{"1999": weir.Num(1999), "1999.5": weir.Num(2000), "-0.6": weir.Num(-1), `"19.4"`: weir.Num(19), "9007199254740992": weir.Num(1 << 53)} {
		got := parse(t, order(`"total_price":`+sent))
		v, _ := property(got.Fields, "total_price")
		round := strings.Contains(sent, ".")
		if v != want || (len(got.Warnings) == 1) != round || round && got.Warnings[0].Field != "order.total_price" {
			t.Errorf("%s became %v, warned %+v", sent, v, got.Warnings)
		}
	}
	for _, sent := range []string{"1e300", "-9007199254740994", `"1e17"`} { // no float64 holds each of their neighbours
		got := parse(t, order(`"total_price":`+sent))
		if len(got.Fields) != 0 || !slices.Equal(warned(got), []string{"order.total_price"}) {
			t.Errorf("%s: kept %+v, warned of %v", sent, got.Fields, warned(got))
		}
	}
}

func TestNullIsKept(t *testing.T) {
	got := parse(t, user(`"city":null,"latitude":null,"consent_all":null,"signed_up_at":null,"app_x":null,"mine":null,"traits":{"age":null}`))
	want := []weir.Property{{Name: "age"}, {Name: "app_x"}, {Name: "city"}, {Name: "consent_all"}, {Name: "extra.mine"}, {Name: "latitude"}, {Name: "signed_up_at"}}
	if !reflect.DeepEqual(got.User.Fields, want) {
		t.Errorf("fields %+v", got.User.Fields)
	}
	got = parse(t, order(`"items":null,"total_price":null,"updated_at":null`))
	if want := []weir.Property{{Name: "items"}, {Name: "total_price"}}; !reflect.DeepEqual(got.Fields, want) || len(got.Warnings) > 0 {
		t.Errorf("fields %+v, warned %+v", got.Fields, got.Warnings)
	}
	got = parse(t, user(`"is_authenticated":null,"anonymous_id":null,"traits":null`))
	if got.User.Authenticated != nil || got.User.AnonymousID != "" || len(got.User.Fields) > 0 || len(got.Warnings) > 0 {
		t.Errorf("user %+v, warned %+v", got.User, got.Warnings)
	}
}

func TestUnknownFieldsAreKeptUnderExtraAndReported(t *testing.T) {
	got := parse(t, []byte(`{"kind":"pageview","beside":{"a": 1},"number":7,"mine":1,
		"pageview":{"external_id":"1","created_at":"2024-02-22T09:12:02Z","page_id":"p","mine":2,"app_x":3,"product_color":"red","properties":{"free":4}},
		"user":{"external_id":"u","mine":5},"session":{"external_id":"s","mine":6},"device":{"external_id":"d","mine":[7]},"order":{"external_id":"o"}}`))
	want := []weir.Property{
		{Name: "app_x", Value: weir.Num(3)}, {Name: "extra.beside", Value: weir.Raw(`{"a":1}`)}, {Name: "extra.mine", Value: weir.Num(2)},
		{Name: "extra.number", Value: weir.Num(7)}, {Name: "free", Value: weir.Num(4)}, {Name: "page_id", Value: weir.Text("p")}, {Name: "product_color", Value: weir.Text("red")},
	}
	if !reflect.DeepEqual(got.Fields, want) {
		t.Errorf("fields %+v", got.Fields)
	}
	for _, p := range []*weir.Part{got.User, got.Session, got.Device} {
		if len(p.Fields) != 1 || p.Fields[0].Name != "extra.mine" {
			t.Errorf("of %q: %+v", p.ID, p.Fields)
		}
	}
	last := got.Warnings[len(got.Warnings)-1]
	for _, name := range []string{"pageview.mine", "user.mine", "session.mine", "device.mine", " beside", " number", " mine"} {
		if !strings.Contains(last.Message, name) {
			t.Errorf("%q does not name %s", last.Message, name)
		}
	}
	if last.Code != "unknown_fields" || !slices.Contains(warned(got), "order") {
		t.Errorf("warnings %+v", got.Warnings)
	}
}

func TestUnknownFieldsBesideAUserAreTheUsers(t *testing.T) {
	got := parse(t, []byte(`{"mine":1,"kind":"user","user":{"external_id":"u","created_at":"2024-02-22T09:12:02Z"}}`))
	if want := []weir.Property{{Name: "extra.mine", Value: weir.Num(1)}}; !reflect.DeepEqual(got.User.Fields, want) {
		t.Errorf("fields %+v", got.User.Fields)
	}
}

// What is kept of an item must not outgrow it.
func TestWarningsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 1000)
	var lines []string
	for n := range 200 {
		lines = append(lines, fmt.Sprintf(`{"sku":[%d]}`, n))
	}
	got := parse(t, order(`"items":[`+strings.Join(lines, ",")+`],"`+long+`":1,"extra":{},"properties":{"extra.`+long+`":2}`))
	size := 0
	for _, w := range got.Warnings {
		size += len(w.Field) + len(w.Message)
	}
	if len(got.Warnings) > 40 || size > 10_000 {
		t.Errorf("%d warnings of %d bytes", len(got.Warnings), size)
	}
	last := got.Warnings[len(got.Warnings)-1]
	if last.Code != "more_warnings" || !strings.Contains(last.Message, "169") { // one of the long names too
		t.Errorf("the last is %+v", last)
	}
	if !slices.ContainsFunc(got.Warnings, func(w weir.Rejection) bool { return w.Code == "unknown_fields" }) {
		t.Error("the unknown fields are not reported")
	}
}

func TestLinesOfAnOrderAreObjects(t *testing.T) {
	for _, c := range []struct {
		sent, kept string
		warned     []string
	}{
		{`[]`, `[]`, nil},
		{`[{"sku":"a","price":1000,"quantity":2,"variant_size":"XL","mine":[1,{"a":null}]}, {"name":"é \" [{"}]`, `[{"sku":"a","price":1000,"quantity":2,"variant_size":"XL","mine":[1,{"a":null}]},{"name":"é \" [{"}]`, nil},
		{`[{}, 7, null, "x", [1], {"sku":"a"}]`, `[{},{"sku":"a"}]`, []string{"order.items[1]", "order.items[2]", "order.items[3]", "order.items[4]"}},
		{`[{"sku":7,"price":"1000","quantity":null,"external_id":12345678901234567890}]`, `[{"sku":"7","price":1000,"quantity":null,"external_id":"12345678901234567890"}]`, nil},
		{`[{"price":9.5,"sku":"a"}]`, `[{"price":10,"sku":"a"}]`, []string{"order.items[0].price"}},
		{`[{"price":{},"sku":"a","name":[]}]`, `[{"sku":"a"}]`, []string{"order.items[0].price", "order.items[0].name"}},
		{`[{"price":"free"},{"quantity":true}]`, `[{},{}]`, []string{"order.items[0].price", "order.items[1].quantity"}},
	} {
		got := parse(t, order(`"items":`+c.sent))
		if v, _ := property(got.Fields, "items"); v != weir.Raw(c.kept) {
			t.Errorf("%s became %s, want %s", c.sent, v.Str, c.kept)
		}
		if !slices.Equal(warned(got), c.warned) {
			t.Errorf("%s: warned of %v, want %v", c.sent, warned(got), c.warned)
		}
	}
	for _, sent := range []string{`{"sku":"a"}`, `"a"`, `7`} {
		got := parse(t, order(`"items":`+sent))
		if len(got.Fields) != 0 || !slices.Equal(warned(got), []string{"order.items"}) {
			t.Errorf("%s: kept %+v, warned of %v", sent, got.Fields, warned(got))
		}
	}
}

// Two long numeric ids must not become one, as they would in a float64.
func TestLongNumericIDsAreExact(t *testing.T) {
	const a, b = "9007199254740993", "1234567890123456789"
	got := parse(t, []byte(`{"kind":"session","session":{"external_id":`+a+`,"created_at":"2024-02-22T09:12:02Z","device_external_id":`+b+`},"user":{"external_id":`+b+`,"anonymous_id":`+a+`}}`))
	if got.ID != a || got.Session.DeviceID != b || got.User.ID != b || got.User.AnonymousID != a {
		t.Errorf("ids %q %q %q %q", got.ID, got.Session.DeviceID, got.User.ID, got.User.AnonymousID)
	}
	got = parse(t, []byte(`{"kind":"user_alias","user_alias":{"from_user_external_id":`+a+`,"to_user_external_id":42.0}}`))
	if got.Alias.From != a || got.Alias.To != "42" {
		t.Errorf("alias %+v", got.Alias)
	}
}

func TestNoTwoAliasesHaveTheSameID(t *testing.T) {
	seen := map[string][2]string{}
	ids := []string{"a", "b", "a b", "b a", "a%20b", "a%2520b", "%", "a b c", "c"}
	for _, from := range ids {
		for _, to := range ids {
			got := parse(t, object{"kind": weir.KindUserAlias, "user_alias": object{"from_user_external_id": from, "to_user_external_id": to}}.json())
			if other, ok := seen[got.ID]; ok {
				t.Errorf("%q to %q and %q to %q are both %q", from, to, other[0], other[1], got.ID)
			}
			seen[got.ID] = [2]string{from, to}
		}
	}
}

func TestRetraction(t *testing.T) {
	raw := func(edge string) []byte {
		return object{"kind": weir.KindRetract, "identity_retract": object{"external_id": "r", "created_at": "2024-02-22T09:12:02Z", "edge": edge}}.json()
	}
	if got := parse(t, raw(edge)); got.Retracts != edge {
		t.Errorf("takes back %q, want %q", got.Retracts, edge)
	}
	// The last means the same bytes as "dTE.", and would be another edge's id.
	for _, bad := range []string{"", "u1", "dTE.", "dTE.0123", "." + strings.Repeat("0", 16), "dTE." + strings.Repeat("G", 16), "AGE." + strings.Repeat("0", 16), "dTF." + strings.Repeat("0", 16)} {
		_, rejection := item.Parse(raw(bad), item.Limits{})
		if rejection == nil || rejection.Field != "identity_retract.edge" {
			t.Errorf("%q: %+v", bad, rejection)
		}
		checkAgrees(t, raw(bad))
	}
}

func TestContextCostsOnlyItself(t *testing.T) {
	got := parse(t, []byte(`{"kind":"postview","postview":{"external_id":"1","created_at":"2024-02-22T09:12:02Z"},
		"user":{"external_id":"u","created_at":"yesterday","is_authenticated":[]},"session":{"created_at":"2024-02-22T09:12:02Z"},"device":[]}`))
	if got.Session != nil || got.Device != nil || got.User.CreatedAt != 0 || got.User.Authenticated != nil {
		t.Errorf("item %+v, user %+v", got, got.User)
	}
	want := []string{"user.created_at", "user.is_authenticated", "session", "device"}
	slices.Sort(want)
	if fields := slices.Sorted(slices.Values(warned(got))); !slices.Equal(fields, want) {
		t.Errorf("warned of %v, want %v", fields, want)
	}
}
