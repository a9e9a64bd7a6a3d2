package item

import (
	"slices"

	"github.com/weirhq/weir"
)

// list is the table of all kinds: SEMANTICS §2 and CONTRACT §3.1.
func list() []Schema {
	return []Schema{
		{
			Kind: weir.KindUser, Description: "Somebody, known or anonymous, and what is known of them.",
			Fields: user(), Prefixes: appColumns,
		},
		{
			Kind: weir.KindUserAlias, Description: "Two user ids are one person.",
			Fields: fields(
				Field{Name: "external_id", Type: String, MaxBytes: maxID, role: itemID, Description: "The item's id. Default: made of the two users' ids."},
				Field{Name: "created_at", Type: Time, role: createdAt, Description: "When it became known. Default: the time of receipt."},
				versionField,
				Field{Name: "from_user_external_id", Type: String, Required: true, MaxBytes: maxID, role: aliasFrom, Description: "The id that is another's, mostly an anonymous one."},
				Field{Name: "to_user_external_id", Type: String, Required: true, MaxBytes: maxID, role: aliasTo, Description: "Whose id it is."},
				Field{Name: "to_user_is_authenticated", Type: Boolean, role: aliasAuthenticated, Description: "Whether that is a known user."},
				Field{Name: "to_user_created_at", Type: Time, role: aliasCreatedAt, Description: "When that user was created."},
			),
		},
		{
			Kind: weir.KindDevice, Description: "What somebody uses.",
			Fields: fields(identified(
				text("user_agent", "As the browser sends it; browser, operating system and type of device are read off it."),
				text("resolution", "Of the screen, for example 1728x1117."),
				text("language", "For example fr-FR."),
				truth("ad_blocker", "Whether advertisements are blocked."),
				truth("in_webview", "Whether an application shows the page."),
			)...), Prefixes: appColumns,
		},
		{
			Kind: weir.KindSession, Description: "One visit.",
			Fields: fields(identified(slices.Concat([]Field{
				{Name: "device_external_id", Type: String, MaxBytes: maxID, role: deviceID, Description: "The device that was used."},
				text("landing_page", "The address at which the visit began."),
				text("referrer", "The address that led to it."),
				text("timezone", "Of the visitor, for example Europe/Paris."),
				atLeast(0, Field{Name: "duration", Type: Number, Description: "Seconds between the first and the last event; more than 10,800 count as 10,800."}),
				atLeast(0, Field{Name: "pageviews_count", Type: Integer, Description: "Pages viewed so far."}),
				atLeast(0, Field{Name: "interactions_count", Type: Integer, Description: "Events of the visitor so far."}),
			}, campaign(""), campaign("via_"))...)...), Prefixes: appColumns,
		},
		{
			Kind: weir.KindPageview, Event: true, Description: "A page was viewed.",
			Fields: fields(identified(
				Field{Name: "page_id", Type: String, Recommended: true, Description: "What page it is, mostly its address."},
				text("title", "Of the page."),
				text("referrer", "The address that led to the page."),
				atLeast(0, Field{Name: "duration", Type: Number, Description: "Seconds that the page was in sight."}),
				text("image_url", "A picture of the page."),
				text("product_external_id", "The product that the page is about. Other fields may begin with product_ too."),
				text("product_name", "The product's name."),
				Field{Name: "product_price", Type: Integer, Description: "The product's price in cents."},
				properties,
			)...), Prefixes: []string{"app_", "product_"},
		},
		{
			Kind: weir.KindCustomEvent, Event: true, Description: "Something happened that has a name.",
			Fields: fields(identified(
				Field{Name: "label", Type: String, Required: true, MaxBytes: maxID, role: label, Description: "The event's name."},
				text("string_value", "A text that says more."),
				Field{Name: "number_value", Type: Number, Description: "A number that says more."},
				truth("boolean_value", "A yes or no that says more."),
				truth("non_interactive", "The visitor did nothing: the event does not count as an interaction."),
				properties,
			)...), Prefixes: appColumns,
		},
		{
			Kind: weir.KindCart, Event: true, Description: "What somebody is about to buy.",
			Fields: fields(identified(append(purchase(), text("status", "Of the cart, for example abandoned."),
				instant("cancelled_at", "When the cart was given up."),
				text("cancel_reason", "Why it was given up."))...)...), Prefixes: appColumns,
		},
		{
			Kind: weir.KindOrder, Event: true, Description: "A purchase.",
			Fields: fields(identified(append(purchase(),
				instant("cancelled_at", "When the order was cancelled: it counts nowhere any more."),
				text("cancel_reason", "Why it was cancelled."))...)...), Prefixes: appColumns,
		},
		{
			Kind: weir.KindPostview, Event: true, Description: "An advertisement was seen, and nobody came because of it yet.",
			Fields: fields(identified(append(campaign(""), properties)...)...), Prefixes: appColumns,
		},
		{
			Kind: weir.KindGroup, Description: "An account that the user belongs to.",
			Fields: fields(identified(
				Field{Name: "group_type", Type: String, Required: true, MaxBytes: maxID, role: needed, Description: "What kind of group it is, for example company."},
				id("group_external_id", "The group's own id. Default: the item's."),
				text("name", "Of the group."),
				traits("The group's other traits."),
			)...), Prefixes: appColumns,
		},
		{
			Kind: weir.KindSubscriptionList, Description: "A user's place on a list of subscribers.",
			Fields: fields(identified(
				Field{Name: "subscription_list_id", Type: String, Required: true, MaxBytes: maxID, role: needed, Description: "The list."},
				text("status", "active, paused or unsubscribed."),
				text("channel", "For example email."),
				text("comment", "Why the status is what it is."),
				instant("subscribed_at", "When the user joined the list."),
				instant("unsubscribed_at", "When the user left it."),
			)...), Prefixes: appColumns,
		},
		{Kind: weir.KindMessage, Event: true, Description: "A message to a user, or of one.", Fields: fields(identified(message()...)...), Prefixes: appColumns},
		{
			Kind: weir.KindMerge, Description: "Two users are one person, known ones too. Not from browsers.",
			Fields: fields(identified(
				Field{Name: "from_user_external_id", Type: String, Required: true, MaxBytes: maxID, role: aliasFrom, Description: "One of the two."},
				Field{Name: "to_user_external_id", Type: String, Required: true, MaxBytes: maxID, role: aliasTo, Description: "The other one."},
				text("reason", "Why they are one."),
			)...),
		},
		{
			Kind: weir.KindRetract, Description: "What joined two users was wrong. Not from browsers.",
			Fields: fields(identified(
				Field{Name: "edge", Type: String, Required: true, MaxBytes: maxEdge, role: edgeID, Description: "The id of the edge to take back, as Weir gave it."},
				text("reason", "Why it was wrong."),
			)...),
		},
	}
}

// maxEdge bounds an edge's id: the base64 of an id, a point and a hash.
const maxEdge = (maxID*4+2)/3 + 1 + 16

var (
	appColumns   = []string{"app_"}
	versionField = Field{Name: "updated_at", Type: Time, role: updatedAt, Description: "When this version was made: of two, the newer one counts. Default: created_at."}
	properties   = Field{Name: "properties", Type: Object, Free: true, role: lifted, Description: "Whatever else is to be known of it."}
)

func fields(list ...Field) []Field { return list }

// identified puts the fields before the others that every kind has.
func identified(others ...Field) []Field {
	return append([]Field{
		{Name: "external_id", Type: String, Required: true, MaxBytes: maxID, role: itemID, Description: "The item's own id, by which a resend is recognised: unique per workspace and kind."},
		{Name: "created_at", Type: Time, Required: true, role: createdAt, Description: "When it happened."},
		versionField,
	}, others...)
}

func text(name, description string) Field {
	return Field{Name: name, Type: String, Description: description}
}

func id(name, description string) Field {
	return Field{Name: name, Type: String, MaxBytes: maxID, Description: description}
}

func truth(name, description string) Field {
	return Field{Name: name, Type: Boolean, Description: description}
}

func instant(name, description string) Field {
	return Field{Name: name, Type: Time, Description: description}
}

func traits(description string) Field {
	return Field{Name: "traits", Type: Object, Free: true, role: lifted, Description: description}
}

func atLeast(low float64, f Field) Field {
	f.Min = &low
	return f
}

func between(low, high float64, f Field) Field {
	f.Min, f.Max = &low, &high
	return f
}

func user() []Field {
	return identified(
		Field{Name: "is_authenticated", Type: Boolean, role: authenticated, Description: "Whether it is known who this is."},
		Field{Name: "anonymous_id", Type: String, MaxBytes: maxID, role: anonymousID, Description: "The id that the user had before they were known: both are one person."},
		Field{Name: "anonymous_external_id", Type: String, MaxBytes: maxID, role: anonymousID, Description: "The same as anonymous_id, which wins."},
		instant("signed_up_at", "When the user signed up."),
		instant("last_interaction_at", "When the user last did something."),
		text("timezone", "For example Europe/Paris."),
		text("language", "For example fr-FR."),
		text("country", "Two letters, for example FR."),
		truth("consent_all", "Whether the user agrees to everything."),
		truth("consent_personalization", "Whether the user agrees to be shown what fits them."),
		truth("consent_marketing", "Whether the user agrees to be sent advertisements."),
		text("last_ip", "The address that the user last had in the network."),
		between(-90, 90, Field{Name: "latitude", Type: Number, Description: "Degrees to the north."}),
		between(-180, 180, Field{Name: "longitude", Type: Number, Description: "Degrees to the east."}),
		text("first_name", "Given name."),
		text("last_name", "Family name."),
		text("gender", "In any words."),
		text("birthday", "For example 1990-12-31."),
		text("photo_url", "A picture of the user."),
		text("email", "E-mail address. Its hashes, in lower case and without white space around it, are made from it."),
		text("email_md5", "Made from email; may be sent without it."),
		text("email_sha1", "Made from email; may be sent without it."),
		text("email_sha256", "Made from email; may be sent without it."),
		text("telephone", "E.164, for example +33123456789. Spaces, dashes, points and parentheses are taken out."),
		text("address_line_1", "Street and number."),
		text("address_line_2", "What else the address needs."),
		text("city", "City."),
		text("region", "Region."),
		text("postal_code", "Postal code."),
		text("state", "State."),
		traits("The user's other traits."),
	)
}

// campaign are the fields that say where a visit came from.
func campaign(prefix string) []Field {
	return []Field{
		text(prefix+"utm_source", "Who sent the visitor, for example google."),
		text(prefix+"utm_medium", "By what means, for example cpc."),
		text(prefix+"utm_campaign", "The campaign's name."),
		text(prefix+"utm_content", "Which of several advertisements."),
		text(prefix+"utm_term", "The words that were searched for."),
		text(prefix+"utm_id", "The campaign's id, or that of the click."),
		text(prefix+"utm_id_from", "The parameter that had the id, for example gclid."),
	}
}

// purchase are the fields of orders and carts.
func purchase() []Field {
	return []Field{
		{Name: "subtotal_price", Type: Integer, Description: "In cents, without shipping and taxes."},
		{Name: "total_price", Type: Integer, Description: "In cents."},
		text("currency", "Three letters, for example EUR. Default: the workspace's."),
		{Name: "discount_codes", Type: List, Description: "The codes that were used."},
		{Name: "items", Type: List, Description: "What is bought.", Fields: []Field{
			text("external_id", "The line's own id."),
			text("product_external_id", "The product's id."),
			text("name", "The product's name."),
			text("sku", "Stock keeping unit."),
			text("brand", "The product's brand."),
			text("category", "The product's category."),
			text("variant_external_id", "The variant's id. Other fields may begin with variant_ too."),
			text("variant_title", "The variant's name."),
			{Name: "price", Type: Integer, Description: "Of one piece, in cents."},
			{Name: "quantity", Type: Number, Description: "How many. Default: 1."},
		}},
		properties,
	}
}

func message() []Field {
	return append([]Field{
		text("channel", "email, sms, push, …"),
		text("status", "For example delivered."),
		truth("is_inbound", "The user sent it."),
		id("template_id", "What it was made from."),
		text("template_version", "The template's version."),
		id("campaign_id", "The campaign or workflow that it is part of."),
		id("subscription_list_id", "The list that it was sent to."),
		text("subject", "Subject line."),
		instant("scheduled_at", "When it is to be sent."),
		instant("sent_at", "When it was sent."),
		instant("delivered_at", "When it arrived."),
		instant("opened_at", "When it was first opened."),
		instant("clicked_at", "When a link in it was first followed."),
		instant("bounced_at", "When it came back."),
		instant("complained_at", "When the user called it spam."),
		instant("unsubscribed_at", "When the user unsubscribed by it."),
		instant("failed_at", "When sending it failed."),
		text("error", "Why it was not sent or did not arrive."),
		properties,
	}, campaign("")...)
}
