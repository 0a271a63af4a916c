import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import recgrela.Filter;
import recgrela.Ids;
import recgrela.ItemId;
import recgrela.Model;
import recgrela.Recommendation;
import recgrela.Session;

/** Checks the golden hash of the models of format 1, which tests/golden/README.md defines: Golden FOLDER. */
public final class Golden {
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        JsonObject golden =
            JsonParser.parseString(Files.readString(folder.resolve("golden.json"))).getAsJsonObject();
        MessageDigest all = MessageDigest.getInstance("SHA-256");
        Map<String, JsonElement> models = new TreeMap<>(golden.getAsJsonObject("models").asMap());
        for (Map.Entry<String, JsonElement> model : models.entrySet()) {
            JsonObject expected = model.getValue().getAsJsonObject();
            all.update(digest(folder.resolve(model.getKey()), expected));
        }
        StringBuilder found = new StringBuilder();
        for (byte part : all.digest()) found.append(String.format("%02x", part));
        String expected = golden.get("sha256").getAsString();
        System.out.println("golden hash of format 1: found " + found + ", expected " + expected);
        if (!expected.contentEquals(found)) System.exit(1);
    }

    private static byte[] digest(Path file, JsonObject golden) throws Exception {
        MessageDigest hash = MessageDigest.getInstance("SHA-256");
        try (Model model = Model.Companion.open(file.toString())) {
            model.verify();
            List<ItemId> ids = model.itemIds();
            Map<ItemId, Integer> indices = new HashMap<>();
            for (int index = 0; index < ids.size(); index++) indices.put(ids.get(index), index);
            Filter unseen = new Filter(true, null, List.of(), null);
            Filter everything = new Filter(false, null, List.of(), null);
            for (JsonElement sequence : golden.getAsJsonArray("sequences")) {
                try (Session session = model.newSession()) {
                    for (JsonElement item : sequence.getAsJsonArray()) {
                        append(session, ids.get(item.getAsInt()));
                        for (float score : session.score(ids)) add(hash, Float.floatToRawIntBits(score));
                        add(hash, session.topK(10, unseen), indices);
                        add(hash, session.topK(ids.size(), everything), indices);
                    }
                }
            }
        }
        return hash.digest();
    }

    private static void append(Session session, ItemId item) throws Exception {
        Object raw = Ids.getRaw(item);
        if (raw instanceof Long) Ids.append(session, (Long) raw);
        else Ids.append(session, (String) raw);
    }

    private static void add(MessageDigest hash, List<Recommendation> list, Map<ItemId, Integer> indices) {
        add(hash, list.size());
        for (Recommendation recommendation : list) {
            add(hash, indices.get(recommendation.getItem()));
            add(hash, Float.floatToRawIntBits(recommendation.getScore()));
        }
    }

    private static void add(MessageDigest hash, int number) {
        hash.update(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(number).array());
    }
}
