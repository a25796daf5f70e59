/* The table of channels. Rows are keyed, so that an update changes texts in place: nothing flickers, no click is lost. */
export default {
  template: `
    <div class="channels">
      <table>
        <thead>
          <tr>
            <th>Channel</th><th>Cell</th><th>State</th><th>Step</th>
            <th class="number">Cycle</th><th class="number">Voltage</th><th class="number">Current</th>
            <th class="number">Last efficiency</th><th class="number">Reading</th><th></th>
          </tr>
        </thead>
        <tbody>
          <tr v-for="row in rows" :key="row.channel" :class="{ picked: row.selected }" @click="$emit('pick', row.channel)">
            <td class="channel" :title="row.driver">
              <svg class="swatch" viewBox="0 0 30 10" aria-hidden="true">
                <line x1="0" y1="5" x2="30" y2="5" :stroke="row.colour" stroke-width="4" :stroke-dasharray="row.dash" />
              </svg>{{ row.channel }}
            </td>
            <td class="cell"><b>{{ row.cell }}</b><small>{{ row.build }}</small></td>
            <td><span :class="'state state-' + row.state" :title="row.message"><q-icon :name="row.icon" />{{ row.state }}</span></td>
            <td class="step" :title="row.schedule"><b>{{ row.role }}</b><small>{{ row.step }}</small></td>
            <td class="number cycle">{{ row.cycle }}</td>
            <td class="number large voltage">{{ row.voltage }}</td>
            <td class="number large current">{{ row.current }}</td>
            <td class="number efficiency">{{ row.efficiency }}</td>
            <td :class="row.stale ? 'number age stale' : 'number age'">{{ row.age }}</td>
            <td class="actions" @click.stop>
              <q-btn v-if="row.can_resume" flat round icon="play_arrow" :aria-label="'Resume ' + row.cell"
                @click="$emit('command', { action: 'resume', row })" />
              <q-btn v-else flat round icon="pause" :disable="!row.can_pause" :aria-label="'Pause ' + row.cell"
                @click="$emit('command', { action: 'pause', row })" />
              <q-btn flat round icon="stop" :disable="!row.can_stop" :aria-label="'Stop ' + row.cell"
                @click="$emit('command', { action: 'stop', row })" />
            </td>
          </tr>
        </tbody>
      </table>
    </div>
  `,
  props: { rows: Array },
  emits: ["pick", "command"],
};
