import type { EChartsCoreOption } from 'echarts/core';
import type { Interval } from '../../api/types';
import { axisNumber } from '../../text/number';
import { bucketTick } from '../../text/time';
import type { Line } from '../lines';
import { chartColours, lineColour, type Scheme } from './palette';
import { type TooltipPoint, tooltipElement } from './tooltip';

export interface ChartInput {
  buckets: string[];
  lines: Line[];
  interval: Interval;
  view: 'line' | 'bar';
  /** The bucket that is not over yet; null: all are. */
  present: number | null;
  /** The groups of a total add up, so bars may stand on each other. */
  stacked: boolean;
  scheme: Scheme;
}

/** Beyond this many points, marks on them would hide the lines. */
const MARKED_POINTS = 120;

/** The lines of a chart. The part that leads to an unfinished bucket is dashed: it will still rise. */
function lineSeries({ lines, buckets, present, scheme }: ChartInput) {
  const cut = present !== null && present > 0 ? present : null;
  return lines.flatMap((line) => {
    const shared = {
      type: 'line',
      color: lineColour(line.rank, scheme),
      symbol: 'circle',
      symbolSize: 5,
      showSymbol: buckets.length * lines.length <= MARKED_POINTS,
      lineStyle: { width: 2 },
      emphasis: { disabled: true },
    };
    if (cut === null) return [{ ...shared, name: line.key, data: line.values }];
    const settled = line.values.map((value, i) => (i === cut ? null : value));
    const rising = line.values.map((value, i) => (i === cut || i === cut - 1 ? value : null));
    return [
      { ...shared, name: line.key, data: settled },
      { ...shared, name: `${line.key} so far`, lineStyle: { width: 2, type: [4, 4] }, data: rising },
    ];
  });
}

function barSeries({ lines, present, stacked, scheme }: ChartInput) {
  return lines.map((line) => ({
    type: 'bar',
    name: line.key,
    color: lineColour(line.rank, scheme),
    barMaxWidth: 36,
    barCategoryGap: '28%',
    ...(stacked ? { stack: `series ${line.series}` } : {}),
    itemStyle: { borderRadius: stacked ? 0 : [3, 3, 0, 0] },
    emphasis: { disabled: true },
    data: line.values.map((value, i) => (i === present ? { value, itemStyle: { opacity: 0.5 } } : value)),
  }));
}

/** What ECharts draws for an answer. */
export function chartOptions(input: ChartInput): EChartsCoreOption {
  const { buckets, interval, view, lines, scheme, present } = input;
  const colours = chartColours(scheme);
  const label = { color: colours.soft, fontFamily: 'Inter Variable, system-ui, sans-serif', fontSize: 11 };
  const points = (bucket: number): TooltipPoint[] =>
    lines
      .map((line) => ({
        label: line.label,
        colour: lineColour(line.rank, scheme),
        value: line.values[bucket] ?? null,
      }))
      .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));

  return {
    animation: false,
    grid: { left: 4, right: 16, top: 14, bottom: 8, containLabel: true },
    xAxis: {
      type: 'category',
      boundaryGap: view === 'bar',
      data: buckets,
      axisLine: { lineStyle: { color: colours.line } },
      axisTick: { show: false },
      axisLabel: {
        ...label,
        hideOverlap: true,
        margin: 12,
        formatter: (bucket: string) => bucketTick(bucket, interval),
      },
    },
    yAxis: {
      type: 'value',
      minInterval: 1,
      splitNumber: 4,
      splitLine: { lineStyle: { color: colours.line } },
      axisLabel: { ...label, formatter: axisNumber },
    },
    tooltip: {
      trigger: 'axis',
      confine: true,
      transitionDuration: 0,
      padding: 0,
      borderWidth: 0,
      backgroundColor: 'transparent',
      extraCssText: 'box-shadow: none',
      axisPointer:
        view === 'line'
          ? { type: 'line', lineStyle: { color: colours.soft, type: 'dashed' } }
          : { type: 'shadow', shadowStyle: { color: colours.soft, opacity: 0.08 } },
      formatter: (hovered: unknown) => {
        const first = Array.isArray(hovered) ? (hovered[0] as { dataIndex?: number } | undefined) : undefined;
        const at = first?.dataIndex ?? 0;
        return tooltipElement(buckets[at] ?? '', interval, points(at), at === present);
      },
    },
    series: view === 'line' ? lineSeries(input) : barSeries(input),
  };
}
