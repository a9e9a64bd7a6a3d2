// Package clickstore keeps events in ClickHouse.
package clickstore
