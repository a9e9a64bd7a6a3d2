package item_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/item"
)

// listed are the fields of SEMANTICS §2 and CONTRACT §3.1, beside updated_at. A
// star says that an item without the field is rejected, a plus that it is warned.
// A name that ends in * stands for all that begin with it.
var listed = map[weir.Kind]string{
	weir.KindUser: `external_id* is_authenticated created_at* signed_up_at updated_at timezone language country last_interaction_at
		consent_all consent_personalization consent_marketing last_ip latitude longitude first_name last_name gender birthday photo_url
		email email_md5 email_sha1 email_sha256 telephone address_line_1 address_line_2 city region postal_code state traits app_..`,
	weir.KindUserAlias: `from_user_external_id* to_user_external_id* to_user_is_authenticated to_user_created_at`,
	weir.KindDevice:    `external_id* created_at* user_agent resolution language ad_blocker in_webview`,
	weir.KindSession: `external_id* created_at* device_external_id utm_source utm_medium utm_campaign utm_content utm_term utm_id utm_id_from
		via_utm_source via_utm_medium via_utm_campaign via_utm_content via_utm_term via_utm_id via_utm_id_from
		landing_page referrer timezone duration pageviews_count interactions_count`,
	// A page without an address is kept with a warning: SDKs send page calls that
	// have only a name.
	weir.KindPageview:    `external_id* created_at* page_id+ title referrer duration image_url product_..`,
	weir.KindCustomEvent: `external_id* created_at* label* properties string_value number_value boolean_value non_interactive`,
	weir.KindOrder:       `external_id* created_at* subtotal_price total_price currency discount_codes items cancelled_at cancel_reason`,
	weir.KindCart:        `external_id* created_at* subtotal_price total_price currency discount_codes items cancelled_at cancel_reason status`,
	weir.KindPostview:    `external_id* created_at* utm_source utm_medium utm_campaign utm_content utm_term utm_id utm_id_from`,
	weir.KindGroup:       `external_id* created_at* group_type* traits`,

	weir.KindSubscriptionList: `external_id* created_at* subscription_list_id* status`,
	weir.KindMessage:          `external_id* created_at* channel status`,
	weir.KindMerge:            `external_id* created_at* from_user_external_id* to_user_external_id*`,
	weir.KindRetract:          `external_id* created_at* edge*`,
}

func TestSchemasListEveryField(t *testing.T) {
	schemas := item.Schemas()
	if len(schemas) != len(listed) {
		t.Errorf("%d schemas, want %d", len(schemas), len(listed))
	}
	for _, schema := range schemas {
		if schema.Description == "" {
			t.Errorf("%s has no description", schema.Kind)
		}
		required := map[string]bool{}
		for _, name := range append(strings.Fields(listed[schema.Kind]), "updated_at") {
			if prefix, ok := strings.CutSuffix(name, ".."); ok {
				if !slices.Contains(schema.Prefixes, prefix) {
					t.Errorf("%s: fields that begin with %s are unknown", schema.Kind, prefix)
				}
				continue
			}
			plain := strings.TrimRight(name, "*+")
			i := slices.IndexFunc(schema.Fields, func(f item.Field) bool { return f.Name == plain })
			if i < 0 {
				t.Errorf("%s.%s is not in the schema", schema.Kind, plain)
				continue
			}
			required[plain] = strings.HasSuffix(name, "*")
			if f := schema.Fields[i]; f.Required != required[plain] || f.Recommended != strings.HasSuffix(name, "+") {
				t.Errorf("%s.%s: required %v, recommended %v", schema.Kind, plain, f.Required, f.Recommended)
			}
		}
		for _, f := range schema.Fields {
			if f.Description == "" || f.Type == "" {
				t.Errorf("%s.%s has no description or no type", schema.Kind, f.Name)
			}
			if f.Required && !required[f.Name] {
				t.Errorf("%s.%s is required, and nobody says so", schema.Kind, f.Name)
			}
		}
	}
}

func TestLinesOfOrdersListTheirFields(t *testing.T) {
	for _, schema := range item.Schemas() {
		if schema.Kind != weir.KindOrder && schema.Kind != weir.KindCart {
			continue
		}
		items := schema.Fields[slices.IndexFunc(schema.Fields, func(f item.Field) bool { return f.Name == "items" })]
		for _, name := range strings.Fields("external_id product_external_id name sku brand category price quantity") {
			if !slices.ContainsFunc(items.Fields, func(f item.Field) bool { return f.Name == name }) {
				t.Errorf("%s.items[].%s is not in the schema", schema.Kind, name)
			}
		}
	}
}

// The caller may do with the list as it likes.
func TestSchemasMayBeChangedByTheCaller(t *testing.T) {
	schemas := item.Schemas()
	for i := range schemas {
		schemas[i] = item.Schema{}
	}
	if item.Schemas()[0].Kind == "" {
		t.Error("the list of the package has changed")
	}
}

// object is a JSON object that tests put together.
type object map[string]any

func (o object) json() []byte {
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return raw
}

// with is a copy of an item with another value of a field of its payload; without
// lacks it.
func (o object) with(field string, value any) object {
	return o.copy(func(payload object) { payload[field] = value })
}

func (o object) without(field string) object {
	return o.copy(func(payload object) { delete(payload, field) })
}

func (o object) copy(change func(payload object)) object {
	out, payload := object{}, object{}
	for name, value := range o {
		out[name] = value
	}
	kind := string(o["kind"].(weir.Kind))
	for name, value := range o[kind].(object) {
		payload[name] = value
	}
	change(payload)
	out[kind] = payload
	return out
}

// edge is the id of an edge.
var edge = weir.Edge{From: "u1", To: "u2", Item: "user_alias:1", Rule: weir.RuleAlias}.ID()

// valid is a value of a field, as it comes back.
func valid(f item.Field) any {
	switch f.Type {
	case item.Number:
		return 12.5
	case item.Integer:
		return 12
	case item.Boolean:
		return true
	case item.Time:
		return "2024-02-22T09:12:02.361Z"
	case item.List:
		if len(f.Fields) == 0 {
			return []any{"a", "b"}
		}
		line := object{"variant_size": "XL"}
		for _, member := range f.Fields {
			line[member.Name] = valid(member)
		}
		return []any{line}
	case item.Object:
		return object{"free_" + f.Name: "of " + f.Name}
	}
	if f.Name == "edge" {
		return edge
	}
	return "a " + f.Name
}

// full is an item with every field of its schema.
func full(schema item.Schema) object { return made(schema, valid) }

// wrong is one whose values are all of another type; what it is rejected without
// is right.
func wrong(schema item.Schema) object {
	return made(schema, func(f item.Field) any {
		if costly(f) {
			return valid(f)
		}
		return wrongValue(f)
	})
}

// costly reports whether a value that cannot be read rejects the item.
func costly(f item.Field) bool {
	return f.Required || f.Name == "external_id" || f.Name == "created_at" || f.Name == "updated_at"
}

// wrongValue is of a type that is not that of the field.
func wrongValue(f item.Field) any {
	if f.Type == item.List {
		return object{"a": 1}
	}
	return []any{1}
}

func made(schema item.Schema, value func(item.Field) any) object {
	payload := object{}
	for _, f := range schema.Fields {
		payload[f.Name] = value(f)
	}
	out := object{"kind": schema.Kind, string(schema.Kind): payload}
	if !slices.Contains([]weir.Kind{weir.KindUser, weir.KindUserAlias, weir.KindMerge, weir.KindRetract}, schema.Kind) {
		out["user"] = object{"external_id": "somebody"}
	}
	return out
}

// table is the schema of an app's table, which the list does not have.
var table = item.Schema{Kind: "app_shop_visit", Fields: []item.Field{
	{Name: "external_id", Type: item.String, Required: true},
	{Name: "created_at", Type: item.Time, Required: true},
	{Name: "updated_at", Type: item.Time},
	{Name: "till", Type: item.Integer},
	{Name: "staff", Type: item.List},
}}

func kinds() []item.Schema { return append(item.Schemas(), table) }

func parse(t *testing.T, raw []byte) *weir.Item {
	t.Helper()
	checkAgrees(t, raw)
	got, rejection := item.Parse(raw, item.Limits{})
	if rejection != nil {
		t.Fatalf("rejected: %+v, of %s", rejection, raw)
	}
	return got
}

func property(list []weir.Property, name string) (weir.Value, bool) {
	for _, p := range list {
		if p.Name == name {
			return p.Value, true
		}
	}
	return weir.Value{}, false
}

// part is where an item's own fields stand.
func part(i *weir.Item) []weir.Property {
	switch i.Kind {
	case weir.KindUser:
		return i.User.Fields
	case weir.KindSession:
		return i.Session.Fields
	case weir.KindDevice:
		return i.Device.Fields
	}
	return i.Fields
}

// place is what became of a field that is no property, or "".
func place(i *weir.Item, name string) string {
	switch name {
	case "external_id":
		return i.ID
	case "created_at":
		return i.CreatedAt.String()
	case "updated_at":
		return i.UpdatedAt.String()
	}
	switch {
	case i.Kind == weir.KindCustomEvent && name == "label":
		return i.Label
	case i.Kind == weir.KindRetract && name == "edge":
		return i.Retracts
	case i.Kind == weir.KindSession && name == "device_external_id":
		return i.Session.DeviceID
	case i.Alias != nil:
		return map[string]string{
			"from_user_external_id": i.Alias.From, "to_user_external_id": i.Alias.To,
			"to_user_is_authenticated": weir.Boolean(i.Alias.ToAuthenticated).String(), "to_user_created_at": i.Alias.ToCreatedAt.String(),
		}[name]
	case i.Kind == weir.KindUser && name == "is_authenticated" && i.User.Authenticated != nil:
		return weir.Boolean(*i.User.Authenticated).String()
	case i.Kind == weir.KindUser && strings.HasPrefix(name, "anonymous_"):
		return i.User.AnonymousID
	}
	return ""
}

func TestEveryFieldIsKeptUnderItsName(t *testing.T) {
	for _, schema := range kinds() {
		t.Run(string(schema.Kind), func(t *testing.T) {
			got := parse(t, full(schema).json())
			if len(got.Warnings) > 0 {
				t.Errorf("warned of %+v", got.Warnings)
			}
			kept := 0
			for _, f := range schema.Fields {
				name, want := f.Name, text(valid(f))
				if f.Free {
					name, want = "free_"+f.Name, "of "+f.Name
				}
				switch f.Name {
				case "email_md5", "email_sha1", "email_sha256": // made from email
					want = ""
				case "anonymous_external_id":
					want = "a anonymous_id" // which wins
				}
				value, ok := property(part(got), name)
				switch at := place(got, f.Name); {
				case ok:
					kept++
					if want != "" && value.String() != want {
						t.Errorf("%s is %q, want %q", name, value.String(), want)
					}
				case at != want:
					t.Errorf("%s is %q, want %q", name, at, want)
				}
			}
			if all := part(got); len(all) != kept {
				t.Errorf("%d fields are kept, %d of them are in the schema: %+v", len(all), kept, all)
			}
		})
	}
}

// text is the text form of a value that was sent.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return weir.FormatNumber(v)
	case object: // whose values are texts
		return ""
	}
	raw, _ := json.Marshal(v)
	return string(raw)
}

func TestEveryRequiredFieldRejectsTheItemThatLacksIt(t *testing.T) {
	for _, schema := range kinds() {
		for _, f := range schema.Fields {
			whole, path := full(schema), string(schema.Kind)+"."+f.Name
			lacks, null, empty := whole.without(f.Name).json(), whole.with(f.Name, nil).json(), whole.with(f.Name, "  ").json()
			if !f.Required {
				parse(t, lacks)
				parse(t, null)
				continue
			}
			for name, raw := range map[string][]byte{"without": lacks, "with a null as": null, "with a blank": empty} {
				_, rejection := item.Parse(raw, item.Limits{})
				if rejection == nil || rejection.Field != path || rejection.Code != "missing_field" && rejection.Code != "invalid_field" || rejection.Message == "" {
					t.Errorf("%s %s: %+v", name, path, rejection)
				}
				checkAgrees(t, raw)
			}
		}
	}
}

func TestEveryFieldOfTheWrongTypeIsNamed(t *testing.T) {
	for _, schema := range kinds() {
		for _, f := range schema.Fields {
			if schema.Kind == table.Kind && !f.Required && f.Name != "updated_at" {
				continue // is of any type
			}
			raw, path := full(schema).with(f.Name, wrongValue(f)).json(), string(schema.Kind)+"."+f.Name
			checkAgrees(t, raw)
			got, rejection := item.Parse(raw, item.Limits{})
			switch {
			case costly(f):
				if rejection == nil || rejection.Field != path || rejection.Code != "invalid_field" {
					t.Errorf("%s: %+v", path, rejection)
				}
			case rejection != nil:
				t.Errorf("%s rejects the item: %+v", path, rejection)
			case len(got.Warnings) != 1 || got.Warnings[0].Field != path || got.Warnings[0].Message == "":
				t.Errorf("%s: warnings %+v", path, got.Warnings)
			default:
				if v, ok := property(part(got), f.Name); ok && !strings.HasPrefix(f.Name, "email_") {
					t.Errorf("%s is kept as %v", path, v)
				}
			}
		}
	}
}

// A wrong value costs itself only, also if there are many of them.
func TestAllFieldsOfTheWrongTypeCostTheItemNothingElse(t *testing.T) {
	for _, schema := range item.Schemas() {
		got := parse(t, wrong(schema).json())
		for _, f := range schema.Fields {
			value, _ := property(part(got), f.Name)
			if costly(f) && place(got, f.Name) == "" && value.String() != valid(f) {
				t.Errorf("%s.%s is lost", schema.Kind, f.Name)
			}
		}
	}
}

func TestPageviewWithoutPageIsKeptWithWarning(t *testing.T) {
	got := parse(t, []byte(`{"kind":"pageview","pageview":{"external_id":"1","created_at":"2024-02-22T09:12:02Z","title":"Home"},"user":{"external_id":"u"}}`))
	if len(got.Warnings) != 1 || got.Warnings[0].Field != "pageview.page_id" || got.Warnings[0].Code != "missing_field" {
		t.Errorf("warnings %+v", got.Warnings)
	}
}

func TestKindsOfTables(t *testing.T) {
	long := "app_shop_" + strings.Repeat("x", 128-len("app_shop_"))
	for kind, known := range map[string]bool{
		"app_shop_visit": true, "app_shop_visit_line": true, "app_7_8": true, long: true,
		long + "x": false, "app_": false, "app_shop": false, "app_shop_": false, "app__visit": false, "app_shop__visit": false,
		"app_Shop_visit": false, "app_shop_vísit": false, "app_shop-visit": false, "apps_shop_visit": false, "": false, "order_line": false,
	} {
		raw := object{"kind": weir.Kind(kind), kind: object{"external_id": "1", "created_at": "2024-02-22T09:12:02Z", "n": 1}, "user": object{"external_id": "u"}}.json()
		checkAgrees(t, raw)
		got, rejection := item.Parse(raw, item.Limits{})
		if (rejection == nil) != known || rejection != nil && rejection.Field != "kind" {
			t.Errorf("%q: %+v", kind, rejection)
		}
		if n, _ := property(part(orEmpty(got)), "n"); known && n != weir.Num(1) {
			t.Errorf("%q: n is %v", kind, n)
		}
	}
}

func orEmpty(i *weir.Item) *weir.Item {
	if i == nil {
		return &weir.Item{}
	}
	return i
}
