import { useComputedColorScheme } from '@mantine/core';
import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, TooltipComponent } from 'echarts/components';
import { type ECharts, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';
import classes from './Chart.module.css';
import { type ChartInput, chartOptions } from './options';

use([LineChart, BarChart, GridComponent, TooltipComponent, SVGRenderer]);

interface ChartProps extends Omit<ChartInput, 'scheme'> {
  /** The chart in a sentence, for those who do not see it. */
  summary: string;
}

/** Lines or bars over time. */
export function Chart({ summary, ...input }: ChartProps) {
  const scheme = useComputedColorScheme('light');
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts>(null);

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const made = init(element, null, { renderer: 'svg' });
    chart.current = made;
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);

  useEffect(() => {
    // Lines come and go with the question: what is not said anew must vanish.
    chart.current?.setOption(chartOptions({ ...input, scheme }), {
      notMerge: false,
      replaceMerge: ['series'],
    });
  });

  return (
    <div className={classes.frame} role="img" aria-label={summary}>
      <div ref={place} className={classes.chart} aria-hidden />
    </div>
  );
}
