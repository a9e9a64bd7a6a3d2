package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector"
	"github.com/weirhq/weir/queue/sqlitequeue"
	workspaces "github.com/weirhq/weir/workspace"
)
