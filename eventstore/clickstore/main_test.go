package clickstore_test

import (
	"testing"

	"github.com/weirhq/weir/eventstore/clickstore/clicktest"
)

func TestMain(m *testing.M) { clicktest.Main(m) }
