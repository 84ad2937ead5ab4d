// The panels of a dashboard, drawn by Grafana's own components from the dashboard's JSON and a Prometheus' answers.
//
// What Grafana's packages leave to its application is done here, no more than our dashboards need: frames of answers,
// overrides, `configFromData`, and the lines of a graph, which may be stacked.
import '@fontsource/inter/latin-400.css';
import '@fontsource/inter/latin-500.css';
import React from 'react';
import { createRoot } from 'react-dom/client';
import { lastValueFrom } from 'rxjs';
import {
  createTheme, dateTime, fieldMatchers, FieldType, getDisplayProcessor, getDisplayValueAlignmentFactors, getFieldDisplayName,
  getFieldDisplayValues, getFieldSeriesColor, standardTransformers, standardTransformersRegistry, ThemeContext, toDataFrame,
  transformDataFrame, VizOrientation, type DataFrame,
} from '@grafana/data';
import {
  AxisPlacement, BarGauge, BigValue, GlobalStyles, PanelChrome, Table, UPlotChart, UPlotConfigBuilder, VizLegend,
  VizRepeater,
} from '@grafana/ui';

const asked = (window as any).asked;
const theme = createTheme({ colors: { mode: 'dark' } });
const begin = asked.begin * 1000, end = asked.end * 1000;
const timeRange = { from: dateTime(begin), to: dateTime(end), raw: { from: dateTime(begin), to: dateTime(end) } };

const MARGIN = 8, ROW = 38, COLUMNS = 24, LEGEND_ROW = 24;

const transformers = new Map(Object.values(standardTransformers).map((of) => [of.id, of]));
standardTransformersRegistry.setInit(() =>
  [...transformers.values()].map((of) => ({ id: of.id, name: of.name, transformation: of, editor: () => null }) as any));

// --- From answers to frames ------------------------------------------------------------------------------------------

function tableOf(target: any, result: any[], alone: boolean): DataFrame[] {
  const labels = [...new Set(result.flatMap((of) => Object.keys(of.metric)))].sort();
  const fields = [
    { name: 'Time', type: FieldType.time, values: result.map((of) => of.value[0] * 1000) },
    ...labels.map((name) => ({ name, type: FieldType.string, values: result.map((of) => of.metric[name] ?? '') })),
    { name: alone ? 'Value' : `Value #${target.refId}`, type: FieldType.number, values: result.map((of) => Number(of.value[1])) },
  ];
  return result.length ? [toDataFrame({ refId: target.refId, fields })] : [];
}

function lineOf(target: any, { metric, value, values }: any): DataFrame {
  const points: any[] = values ?? [value];
  const name = (target.legendFormat ?? '').replace(/\{\{\s*(\w+)\s*\}\}/g, (_: string, label: string) => metric[label] ?? '').trim();
  return toDataFrame({ refId: target.refId, name, fields: [
    { name: 'Time', type: FieldType.time, values: points.map(([at]) => at * 1000) },
    { name: name || 'Value', type: FieldType.number, labels: metric, values: points.map(([, of]) => (of === 'NaN' ? null : Number(of))),
      config: { displayNameFromDS: name || undefined } },
  ] });
}

const framesOf = (panel: any): DataFrame[] => (panel.targets ?? []).flatMap((target: any) => {
  const result = asked.answers[`${panel.id}/${target.refId}`];
  return target.format === 'table'
    ? tableOf(target, result, panel.targets.length === 1)
    : result.map((of: any) => lineOf(target, of));
});

// A query's value becomes the threshold of the others.
function configFromData(panel: any, frames: DataFrame[], { configRefId }: any): DataFrame[] {
  const value = frames.find((frame) => frame.refId === configRefId)?.fields[1].values[0];
  if (value !== undefined) {
    panel.fieldConfig.defaults.thresholds = { mode: 'absolute', steps: [{ color: 'green', value: null }, { color: 'red', value }] };
  }
  return frames.filter((frame) => frame.refId !== configRefId);
}

async function transformed(panel: any): Promise<DataFrame[]> {
  let frames = framesOf(panel);
  for (const { id, options } of panel.transformations ?? []) {
    frames = id === 'configFromData'
      ? configFromData(panel, frames, options)
      : await lastValueFrom(transformDataFrame([{ id, options }], frames));
  }
  if (panel.type === 'bargauge') {
    panel.fieldConfig.defaults.max ??= Math.max(...frames.flatMap((frame) => frame.fields[1].values)); // of all bars
  }
  frames.forEach((frame, seriesIndex) => frame.fields.forEach((field) => configure(panel, field, frame, frames, seriesIndex)));
  return frames;
}

function configure(panel: any, field: any, frame: DataFrame, frames: DataFrame[], seriesIndex: number) {
  const { links, ...defaults } = structuredClone(panel.fieldConfig.defaults);
  const config = { color: { mode: 'thresholds' }, ...defaults, ...field.config, custom: { ...defaults.custom } };
  for (const { matcher, properties } of panel.fieldConfig.overrides) {
    if (fieldMatchers.get(matcher.id).get(matcher.options)(field, frame, frames)) {
      for (const { id, value } of properties.filter((of: any) => of.id !== 'links')) {
        id.startsWith('custom.') ? (config.custom[id.slice('custom.'.length)] = value) : (config[id] = value);
      }
    }
  }
  for (const step of config.thresholds.steps) {
    step.value ??= -Infinity;
  }
  if (field.type === FieldType.string) {
    delete config.unit;
  }
  field.config = config;
  field.state = { ...field.state, seriesIndex };
  field.display = getDisplayProcessor({ field, theme, timeZone: 'utc' });
}

// --- From frames to what is seen -------------------------------------------------------------------------------------

type Drawn = { panel: any; frames: DataFrame[]; width: number; height: number };

function Numbers({ panel, frames, width, height }: Drawn) {
  const getValues = () => getFieldDisplayValues({
    fieldConfig: panel.fieldConfig, reduceOptions: { ...panel.options.reduceOptions, values: false },
    replaceVariables: (text) => text, theme, data: frames, timeZone: 'utc',
  });
  const { colorMode, graphMode, justifyMode, textMode, displayMode, namePlacement, valueMode } = panel.options;
  const renderValue = ({ value, width, height, alignmentFactors, count }: any) => panel.type === 'stat'
    ? <BigValue {...{ width, height, theme, colorMode, graphMode, justifyMode, textMode, alignmentFactors, count }} value={value.display} wideLayout />
    : <BarGauge {...{ width, height, theme, displayMode, namePlacement, alignmentFactors }} value={value.display} field={value.field}
        display={value.view?.getFieldDisplayProcessor(value.colIndex)} orientation={VizOrientation.Horizontal}
        valueDisplayMode={valueMode} showUnfilled itemSpacing={8} lcdCellWidth={8} />;
  return <VizRepeater {...{ getValues, renderValue, width, height }} getAlignmentFactors={getDisplayValueAlignmentFactors} source={frames} autoGrid renderCounter={1}
    orientation={panel.type === 'stat' ? VizOrientation.Auto : VizOrientation.Horizontal} />;
}

function legendRows(labels: string[], width: number): number {
  let rows = 1, taken = 0;
  for (const label of labels) {
    const wide = 38 + label.length * 6.6;
    if (taken > 0 && taken + wide > width) {
      rows += 1;
      taken = 0;
    }
    taken += wide;
  }
  return rows;
}

function Graph({ panel, frames, width, height }: Drawn) {
  const lines = frames.map((frame) => ({
    at: new Map(frame.fields[0].values.map((time, index) => [time, frame.fields[1].values[index]])),
    field: frame.fields[1], label: getFieldDisplayName(frame.fields[1], frame, frames),
    color: getFieldSeriesColor(frame.fields[1], theme).color,
  }));
  const times = [...new Set(lines.flatMap((line) => [...line.at.keys()]))].sort((one, other) => one - other);
  const columns = lines.map((line) => times.map((time) => line.at.get(time) ?? null));
  columns.forEach((column, index) => {
    if (index > 0 && lines[index].field.config.custom.stacking?.mode === 'normal') {
      columns[index] = column.map((value, row) => (value === null ? null : value + (columns[index - 1][row] ?? 0)));
    }
  });
  const { config, display } = lines[0].field;
  const formatValue = (value: any, decimals: any) => { const { text, suffix } = display!(value, decimals); return text + (suffix ?? ''); };
  const builder = new UPlotConfigBuilder('utc');
  builder.addScale({ scaleKey: 'x', orientation: 0, direction: 1, isTime: true, range: () => [begin, end] });
  builder.addScale({ scaleKey: 'y', orientation: 1, direction: 1, min: config.min, max: config.max });
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone: 'utc', theme });
  builder.addAxis({ scaleKey: 'y', placement: AxisPlacement.Left, theme, formatValue });
  for (const { field: { config: { custom } }, color } of lines) {
    builder.addSeries({ ...custom, scaleKey: 'y', theme, lineColor: color, drawStyle: 'line', pxAlign: true,
      show: true } as any);
  }
  const named = lines.map(({ label, color, field }) => ({ label, color, yAxis: 1, lineStyle: field.config.custom.lineStyle }));
  const below = panel.options.legend.showLegend ? LEGEND_ROW * legendRows(named.map(({ label }) => label), width) : 0;
  return <>
    <UPlotChart config={builder} data={[times, ...columns] as any} width={width} height={height - below} timeRange={timeRange} />
    {below > 0 && <VizLegend {...panel.options.legend} items={named} />}
  </>;
}

function Body(drawn: Drawn) {
  const { panel, frames, width, height } = drawn;
  if (!frames.some((frame) => frame.length > 0)) {
    return <div style={{ width, height, display: 'grid', placeItems: 'center' }}>{panel.fieldConfig.defaults.noValue}</div>;
  }
  switch (panel.type) {
    case 'timeseries': return <Graph {...drawn} />;
    case 'table': return <Table data={frames[0]} initialSortBy={panel.options.sortBy} cellHeight={panel.options.cellHeight}
      {...{ width, height, timeRange }} />;
    default: return <Numbers {...drawn} />;
  }
}

function Panel({ panel, frames }: { panel: any; frames: DataFrame[] }) {
  const { x, y, w, h } = panel.gridPos, column = (window.innerWidth - MARGIN) / COLUMNS;
  const width = w * column - MARGIN, height = h * ROW - MARGIN;
  const place: React.CSSProperties = { position: 'absolute', left: MARGIN + x * column, top: MARGIN + y * ROW, width, height };
  return panel.type === 'row'
    ? <div style={{ ...place, ...theme.typography.h5 }}>{panel.title}</div>
    : <div style={place}>
        <PanelChrome title={panel.title} width={width} height={height}>
          {(width, height) => <Body {...{ panel, frames, width, height }} />}
        </PanelChrome>
      </div>;
}

const ready = asked.panels.map(async (panel: any) => ({ panel, frames: await transformed(panel) }));
const fonts = ['400', '500'].map((weight) => document.fonts.load(`${weight} 14px Inter`)); // numbers are made to fit
Promise.all([Promise.all(ready), ...fonts]).then(([panels]) => createRoot(document.getElementById('root')!).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <div style={{ position: 'fixed', inset: 0, background: theme.colors.background.canvas }} />
    {panels.map((of) => <Panel key={of.panel.id} {...of} />)}
  </ThemeContext.Provider>
));
