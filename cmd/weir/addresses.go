package main

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/weirhq/weir/archive/s3archive"
)

// addresses say where the engines are: embedded ones in the data directory, or servers
// that many processes share.
type addresses struct {
	Queue   string `default:"sqlite" env:"WEIR_QUEUE" help:"Queue: sqlite, or amqp://user:password@host:5672/vhost; several nodes separated by commas."`
	Archive string `env:"WEIR_ARCHIVE" placeholder:"DATA/archive" help:"Raw frames: a directory, or s3://bucket/prefix?endpoint=host:port; keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."`
	stores
}

// stores say where is what is derived, and the control plane.
type stores struct {
	State     string `default:"sqlite" env:"WEIR_STATE" help:"State and control plane: sqlite, or postgres://…"`
	Events    string `default:"duckdb" env:"WEIR_EVENTS" help:"Event store: duckdb, or http://user:password@host:8123 of ClickHouse."`
	Cluster   string `name:"events-cluster" env:"WEIR_EVENTS_CLUSTER" placeholder:"NAME" help:"Cluster of ClickHouse whose shards and replicas have the events."`
	Namespace string `default:"weir" env:"WEIR_NAMESPACE" help:"Begins the names of all that is made on shared servers, so that several installations can have them."`
}

// The schemes of servers.
var (
	brokers   = []string{"amqp", "amqps"}
	databases = []string{"postgres", "postgresql"}
	warehouse = []string{"http", "https", "clickhouse"}
)

// scheme is what stands before ://, or "".
func scheme(address string) string {
	before, _, ok := strings.Cut(address, "://")
	if !ok {
		return ""
	}
	return before
}

func (a *addresses) brokerURLs() []string { return strings.Split(a.Queue, ",") }

func (a *stores) onDatabase() bool   { return slices.Contains(databases, scheme(a.State)) }
func (a *stores) onClickHouse() bool { return slices.Contains(warehouse, scheme(a.Events)) }

func (a *addresses) onBroker() bool { return slices.Contains(brokers, scheme(a.Queue)) }
func (a *addresses) inBucket() bool { return scheme(a.Archive) == "s3" }

// check refuses addresses that no engine has.
func (a *addresses) check() error {
	if err := known("queue", a.Queue, a.onBroker(), "sqlite", "amqp://user:password@host:5672/vhost"); err != nil {
		return err
	}
	if err := a.stores.check(); err != nil {
		return err
	}
	if s := scheme(a.Archive); s != "" && s != "s3" {
		return &usageError{fmt.Sprintf("--archive=%s is no address that Weir knows; name a directory, or such as s3://bucket/prefix?endpoint=host:port", redacted(a.Archive))}
	}
	if a.onBroker() && !a.onDatabase() {
		return &usageError{"--queue=" + redacted(a.Queue) + " needs --state=postgres://… too: RabbitMQ gives frames no numbers, PostgreSQL does"}
	}
	return nil
}

func (a *stores) check() error {
	if err := known("state", a.State, a.onDatabase(), "sqlite", "postgres://user:password@host/database"); err != nil {
		return err
	}
	if err := known("events", a.Events, a.onClickHouse(), "duckdb", "http://user:password@host:8123"); err != nil {
		return err
	}
	if a.Cluster != "" && !a.onClickHouse() {
		return &usageError{"--events-cluster names a cluster of ClickHouse; give its address with --events"}
	}
	return nil
}

// known refuses what is neither the name of the embedded engine nor a server's address.
func known(flag, value string, shared bool, embedded, example string) error {
	if shared || value == embedded {
		return nil
	}
	return &usageError{fmt.Sprintf("--%s=%s is no address that Weir knows; say %s, or such as %s", flag, redacted(value), embedded, example)}
}

// redacted is an address without its password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	return u.Redacted()
}

// clickhouse is the address in the form that the driver knows.
func (a *stores) clickhouse() string {
	if rest, ok := strings.CutPrefix(a.Events, "clickhouse://"); ok {
		return "http://" + rest
	}
	return a.Events
}

// bucket reads s3://bucket/prefix?endpoint=host:port&region=…&insecure=1&path_style=1.
func (a *addresses) bucket() (*s3archive.Options, error) {
	u, err := url.Parse(a.Archive)
	if err != nil || u.Host == "" {
		return nil, &usageError{"--archive=" + a.Archive + ": write s3://bucket/prefix?endpoint=host:port"}
	}
	o := &s3archive.Options{
		Bucket: u.Host, Prefix: u.Path, Endpoint: "s3.amazonaws.com",
		AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}
	for name, values := range u.Query() {
		switch value := values[0]; name {
		case "endpoint":
			o.Endpoint = value
		case "region":
			o.Region = value
		case "insecure":
			o.Insecure = value != "" && value != "0"
		case "path_style":
			o.PathStyle = value != "" && value != "0"
		default:
			return nil, &usageError{"--archive: " + name + " is none of endpoint, region, insecure and path_style"}
		}
	}
	return o, nil
}

// roles are what a process does.
type roles struct{ collector, worker, api bool }

func (r roles) all() bool { return r.collector && r.worker && r.api }

func readRoles(list []string) (r roles, err error) {
	for _, name := range list {
		switch name {
		case "all":
			r = roles{true, true, true}
		case "collector":
			r.collector = true
		case "worker":
			r.worker = true
		case "api":
			r.api = true
		default:
			return r, &usageError{fmt.Sprintf("--role=%s: there are collector, worker and api, and all of them", name)}
		}
	}
	return r, nil
}

// checkShared refuses engines that belong to one process in a process that leaves roles
// to others.
func (a *addresses) checkShared(r roles) error {
	if r.all() {
		return nil
	}
	asks := func(needed, shared bool, flag, value, instead string) error {
		if !needed || shared {
			return nil
		}
		if value != "" {
			value = "=" + value
		}
		return &usageError{fmt.Sprintf("--%s%s belongs to one process, which must have all roles: give --%s=%s, or leave --role out", flag, value, flag, instead)}
	}
	for _, err := range []error{
		asks(true, a.onBroker(), "queue", a.Queue, "amqp://…"),
		asks(true, a.onDatabase(), "state", a.State, "postgres://…"),
		asks(r.worker || r.api, a.onClickHouse(), "events", a.Events, "http://… of ClickHouse"),
		asks(r.worker || r.api, a.inBucket(), "archive", a.Archive, "s3://…"),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}
